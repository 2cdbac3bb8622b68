"""Parquet is read whatever integers or text its ids are, and what is wrong with it is said with its row."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.run.errors import UserError
from tests.interactions.formats.layouts import nanoseconds
from tests.interactions.formats.layouts import read as read_file

NAMES = {"user": "u", "item": "i", "rating": "r", "timestamp": "t"}


def read(folder: Path, columns: dict[str, Any], **changes: Any) -> dict[str, list[Any]]:
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    there = {name: column for name, column in NAMES.items() if name in ("user", "item") or column in columns}
    return read_file(path, "parquet", columns=there, **changes)


@pytest.mark.parametrize(
    "users",
    [
        pa.array([5, 6], pa.int8()),
        pa.array([5, 2**63 - 1], pa.uint64()),
        pa.array([5.0, 6.0]),
        pa.array(["007", "7"]),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.string_view()),
        pa.array(["a", "b"]).dictionary_encode(),
    ],
    ids=lambda users: str(users.type),
)
def test_ids_of_any_integers_or_text(tmp_path: Path, users: pa.Array) -> None:
    assert read(tmp_path, {"u": users, "i": [1, 2]})["user"] == users.to_pylist()


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(3)], ids=str)
def test_bytes_are_text_and_never_numbers(tmp_path: Path, kind: pa.DataType) -> None:
    users = [b"007", b" 07", b"  7"]
    assert read(tmp_path, {"u": pa.array(users, kind), "i": [1, 2, 3]})["user"] == ["007", " 07", "  7"]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        (pa.array([3, 4], pa.int8()), [3.0, 4.0]),
        (pa.array([3.5, -4], pa.float64()), [3.5, -4.0]),
        (pa.array([True, False]), [1.0, 0.0]),
        (pa.array([Decimal("3.70"), Decimal("4.00")]), [3.7, 4.0]),
    ],
    ids=lambda values: str(values.type) if isinstance(values, pa.Array) else "",
)
def test_ratings_of_any_kind(tmp_path: Path, ratings: pa.Array, expected: list[float]) -> None:
    assert read(tmp_path, {"u": [1, 2], "i": [1, 2], "r": ratings})["rating"] == expected


DAY = datetime.datetime(2026, 1, 15)


@pytest.mark.parametrize(
    "times",
    [
        *(pa.array([DAY], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
        pa.array([DAY], pa.timestamp("us", "UTC")),
        pa.array([DAY.date()], pa.date32()),
        pa.array([DAY.date()], pa.date64()),
        pa.array(["2026-01-15"]),
        pa.array(["2026-01-15T01:00:00+01:00"]),
    ],
    ids=lambda times: str(times.type),
)
def test_all_dates_become_one_unit(tmp_path: Path, times: pa.Array) -> None:
    found = read(tmp_path, {"u": [1], "i": [1], "t": times})["timestamp"]
    assert nanoseconds(found) == [1768435200 * 10**9]


@pytest.mark.parametrize("times", [[7], [7.5], ["7"], ["7.5"]])
def test_times_that_are_numbers_stay_numbers(tmp_path: Path, times: list[Any]) -> None:
    assert read(tmp_path, {"u": [1], "i": [1], "t": times})["timestamp"] == [float(times[0])]


def test_a_user_with_a_list_of_items_is_a_row_for_each(tmp_path: Path) -> None:
    columns = {"u": ["a", "b", "c"], "i": [[1, 2], [], [3]], "r": [[4.0, 5.0], [], [1.0]], "t": [[7, 8], [], [9]]}
    found = read(tmp_path, columns)
    assert found == {"user": ["a", "a", "c"], "item": [1, 2, 3], "rating": [4.0, 5.0, 1.0], "timestamp": [7, 8, 9]}


def test_incomplete_rows_are_dropped_if_that_is_wanted(tmp_path: Path) -> None:
    columns = {"u": ["a", "", None, "NULL", "b"], "i": [1, 2, 3, 4, 5], "t": pa.array([7, 8, 9, 10, None])}
    assert read(tmp_path, columns, missing="drop") == {"user": ["a"], "item": [1], "timestamp": [7]}
    texts = {"u": ["a", "b", "c"], "i": [1, 2, 3], "r": ["4.5", "NULL", "1"], "t": ["7", "8", ""]}
    assert read(tmp_path, texts, missing="drop") == {"user": ["a"], "item": [1], "rating": [4.5], "timestamp": [7]}
    nans = {"u": [1.0, float("nan"), 3.0], "i": [1, 2, 3], "r": pa.array([4.0, 5.0, float("nan")], pa.float32())}
    assert read(tmp_path, nans, missing="drop") == {"user": [1], "item": [1], "rating": [4.0]}
    lists = {"u": ["a", "b", None], "i": [[1, None], None, [3]]}
    assert read(tmp_path, lists, missing="drop") == {"user": ["a"], "item": [1]}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"u": [1]}, "column 'i' is there 0 times, not once"),
        ({"u": [1, None, None], "i": [1, 2, 3]}, "row 2: nothing under 'u', the first of 2 incomplete rows"),
        ({"u": ["a", "", "NA"], "i": [1, 2, 3]}, "row 2: nothing under 'u', the first of 2 incomplete rows"),
        ({"u": pa.array([2**64 - 1], pa.uint64()), "i": [1]}, "column 'u' of uint64 can't be read as ids"),
        ({"u": [1.5], "i": [1]}, "column 'u' of double can't be read as ids"),
        ({"u": [2.0**60], "i": [1]}, "column 'u' of double can't be read as ids: floats of this size are not exact"),
        ({"u": [True], "i": [1]}, "column 'u' of bool can't be read as ids: ids are integers or text"),
        ({"u": [DAY], "i": [1]}, r"column 'u' of timestamp\[us\] can't be read as ids"),
        ({"u": [b"\xff"], "i": [1]}, "column 'u' of binary can't be read as ids: Invalid UTF8"),
        ({"u": [1, 2], "i": [1, 2], "r": [4.0, float("nan")]}, "row 2: nothing under 'r', as in one row"),
        ({"u": [1, 2], "i": [1, 2], "r": [4.0, float("inf")]}, "row 2: the rating under 'r' is no finite number"),
        ({"u": [1], "i": [1], "t": ["0x10"]}, "column 't' .*: '0x10' is neither a number nor a date"),
        ({"u": [1, 2], "i": [1, 2], "t": ["2026-01-01", "7"]}, "'7' is a number, and before there is a date without"),
        ({"u": [1], "i": [1], "r": ["good"]}, "column 'r' of string can't be read as ratings: .*'good'"),
        ({"u": [1], "i": [1], "t": ["yesterday"]}, "column 't' of string can't be read as times: .*'yesterday'"),
        ({"u": [1], "i": [1], "t": [datetime.time(1)]}, "can't be read as times: times are numbers, dates or text"),
        ({"u": [1], "i": [1], "t": [datetime.datetime(9999, 1, 1)]}, "can't be read as times: .*out of bounds"),
        ({"u": [[1]], "i": [1]}, "column 'u' of list"),
        ({"u": [1], "i": [[1]], "r": [4.0]}, "column 'i' holds lists, and 'r' of double does not"),
        ({"u": [1], "i": [[1, 2]], "r": [[4.0]]}, "lists under 'i' and 'r' differ in length in a row"),
    ],
)
def test_what_cannot_be_right_is_said(tmp_path: Path, columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read(tmp_path, columns)


@pytest.mark.parametrize("length", [0, 3, 300])
def test_a_file_cut_short_is_said(tmp_path: Path, length: int) -> None:
    read(tmp_path, {"u": list(range(1000)), "i": list(range(1000))})
    path = tmp_path / "log.parquet"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"log\.parquet is no whole Parquet file"):
        read_file(path, "parquet", columns={"user": "u", "item": "i"})
