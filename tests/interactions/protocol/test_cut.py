"""What is before a cut, for dates and for numbers."""

from datetime import UTC, datetime

import numpy as np
import pytest

from stages.interactions.protocol.cut import first_not_before, is_before
from stages.run.errors import UserError

DATES = np.array(["2026-09-30T23:59:59.999999999", "2026-10-01", "2026-10-01T02:30"], dtype="datetime64[ns]")


def before(timestamp: np.ndarray, cut: str | float) -> list[bool]:
    return is_before(timestamp, first_not_before(cut, timestamp)).tolist()


@pytest.mark.parametrize(
    ("cut", "n_before"),
    [
        ("2026-10-01", 1),
        ("20261001", 1),
        ("2026-10-01T00:00:00Z", 1),
        ("2026-10-01T02:00:00+02:00", 1),
        ("2026-10-01T00:00:00.000001", 2),
        ("2026-10-01T02:00:00", 2),
    ],
)
def test_a_date_is_the_first_moment_after_the_cut_in_utc(cut: str, n_before: int) -> None:
    assert before(DATES, cut) == [place < n_before for place in range(3)]


@pytest.mark.parametrize("type_", [np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize(("cut", "n_before"), [(2, 1), (2.0, 1), (2.0000000001, 2), (2.5, 2), (1.001, 1)])
def test_a_number_is_in_the_unit_of_the_timestamps(type_: type, cut: float, n_before: int) -> None:
    assert before(np.array([1, 2, 3], dtype=type_), cut) == [place < n_before for place in range(3)]


def test_large_integers_are_compared_without_rounding() -> None:
    timestamp = np.array([2**53 + 2, 2**53 + 3, 2**53 + 4])
    assert before(timestamp, 2**53 + 3) == [True, False, False]
    assert before(timestamp, float(2**53 + 4)) == [True, True, False]


@pytest.mark.parametrize("cut", ["1600-01-01", "9999-12-31"])
def test_a_date_beyond_what_64_bits_hold_is_on_the_right_side(cut: str) -> None:
    with pytest.raises(
        UserError, match=f"no rating that counts is {'before' if cut < '2026' else 'on or after'} split.cut"
    ):
        before(DATES, cut)


@pytest.mark.parametrize(
    ("timestamp", "cut", "complaint"),
    [
        (DATES, 1_790_812_800, "split.cut is the number 1790812800, but timestamps are dates, such as 2026-09-30T23"),
        (
            np.array([964_982_703, 964_981_247]),
            "2026-10-01",
            "split.cut is the date 2026-10-01, but timestamps are numbers, such as 964981247; write a number of their "
            f"unit in params.yaml: {int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())}, if they are seconds",
        ),
        (
            np.array([5, 7]),
            5,
            r"no rating that counts is before split.cut \(5\), as they are from 5 to 7; set another cut",
        ),
        (
            np.array([5, 7]),
            8,
            r"no rating that counts is on or after split.cut \(8\), as they are from 5 to 7; set another cut",
        ),
    ],
)
def test_a_cut_that_cuts_nothing_is_said(timestamp: np.ndarray, cut: str | int, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        before(timestamp, cut)
