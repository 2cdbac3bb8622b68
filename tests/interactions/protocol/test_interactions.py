"""Ratings are numbered in the order of their ids, the last of doubled ones counts, and filters keep the order."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stages.interactions.formats import reader_of
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import Counts, Interactions, read_interactions
from stages.run.errors import UserError
from tests.interactions import literal
from tests.interactions.formats.layouts import layout
from tests.interactions.made_up import LogInMemory, awkward_ratings, batch, pairs_of, rows_of


def read(
    *parts: pa.RecordBatch, threshold: float | None = None, at_least: int = 1, **time: Any
) -> tuple[Interactions, Counts]:
    log = LogInMemory(*parts)
    return read_interactions(log.paths, log, threshold, Minimums(at_least), **time)


@pytest.mark.parametrize(
    "ids",
    [
        [30, 10, 20],
        [3_000_000_000, 5, 9_007_199_254_740_993],  # more than 32 bits, and more than a double holds exactly
        [-1, 7, -(2**63)],
        ["b", "ä", "a"],
    ],
)
def test_ids_of_any_kind_are_numbered_in_their_order_and_map_back(ids: list[int] | list[str]) -> None:
    interactions, _ = read(pa.record_batch({"user": ids, "item": ids[::-1]}))
    assert interactions.users.tolist() == sorted(ids)
    assert pairs_of(interactions) == list(zip(ids, ids[::-1], strict=True))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n_parts", [1, 7])
def test_the_last_of_several_ratings_by_timestamp_counts_in_its_place(seed: int, n_parts: int) -> None:
    rows = awkward_ratings(seed) + awkward_ratings(seed)[::2] + awkward_ratings(seed + 1)
    last = literal.last_of_each_pair(rows)
    size = len(rows) // n_parts + 1
    parts = [batch(rows[start : start + size]) for start in range(0, len(rows), size)]
    interactions, counts = read(*parts, threshold=3.5)
    assert pairs_of(interactions) == [(user, item) for user, item, rating, _ in last if rating > 3.5]
    assert counts == Counts(0, len(rows), len(rows) - len(last), 0)


@pytest.mark.parametrize("seed", range(8))
def test_where_few_ratings_come_again_the_last_of_them_counts(seed: int) -> None:
    once = literal.last_of_each_pair(awkward_ratings(seed))
    rows = [*once, *((user, item, 8.5 - rating, time + 1) for user, item, rating, time in once[:2])]
    assert len(rows) > 16 * 2  # below that share, only rows whose pair comes again are sorted
    interactions, counts = read(batch(rows), threshold=3.5)
    last = literal.last_of_each_pair(rows)
    assert pairs_of(interactions) == [(user, item) for user, item, rating, _ in last if rating > 3.5]
    assert counts.superseded_ratings == 2


def test_without_timestamps_the_last_one_in_the_files_counts() -> None:
    parts = [pa.record_batch({"user": [1, 1], "item": [7, 8], "rating": [rating, 5.0]}) for rating in (5.0, 1.0)]
    interactions, counts = read(*parts, threshold=3.5)
    assert pairs_of(interactions) == [(1, 8)]
    assert counts.superseded_ratings == 2


@pytest.mark.parametrize("repeated", [(5, 9), (1, 3)])  # the last row of a part, and one long before
def test_a_pair_that_comes_again_in_the_next_part_counts_once(repeated: tuple[int, int]) -> None:
    sorted_part = pa.record_batch({"user": [1, 2, 5], "item": [3, 4, 9]})
    again = pa.record_batch({"user": [repeated[0], 7], "item": [repeated[1], 7]})
    interactions, counts = read(sorted_part, again)
    assert sorted(pairs_of(interactions)) == [(1, 3), (2, 4), (5, 9), (7, 7)]
    assert counts.superseded_ratings == 1


def test_rows_in_order_are_taken_as_they_are() -> None:
    rows = sorted({(user, item, rating, 0) for user, item, rating, _ in awkward_ratings(0)})
    parts = [batch(rows[:50]), batch(rows[50:])]
    assert pairs_of(read(*parts, threshold=3.5)[0]) == [(user, item) for user, item, rating, _ in rows if rating > 3.5]


@pytest.mark.parametrize(
    "parts", [["5 2 7\n3 9\n", "3 1 9 4\n5 1\n"], ["3 9 4 1\n5 7 1 2\n"], ["3 1 4 9\n", "5 1 2 7\n"]]
)
def test_where_the_order_of_rows_means_nothing_they_are_sorted_by_user_then_item(
    parts: list[str], tmp_path: Path
) -> None:
    files = [tmp_path / f"part-{number}" for number in range(len(parts))]
    for file, text in zip(files, parts, strict=True):
        file.write_text(text)
    interactions, counts = read_interactions(files, reader_of(layout("lightgcn")), None, Minimums(1))
    assert pairs_of(interactions) == [(3, 1), (3, 4), (3, 9), (5, 1), (5, 2), (5, 7)]
    assert counts.ratings - counts.superseded_ratings == 6


def test_parts_with_ids_of_different_kinds_are_said() -> None:
    parts = [pa.record_batch({"user": user, "item": [1]}) for user in ([1], ["a"])]
    with pytest.raises(UserError, match="user ids are numbers in part-0 but text in part-1"):
        read(*parts)


def test_an_empty_part_changes_nothing() -> None:
    parts = [
        pa.record_batch({"user": pa.array(users, pa.int64()), "item": pa.array(users, pa.int64())})
        for users in ([1], [], [2])
    ]
    assert pairs_of(read(*parts)[0]) == [(1, 1), (2, 2)]


def test_numbers_of_different_widths_go_together() -> None:
    parts = [pa.record_batch({"user": pa.array(users), "item": [1, 2]}) for users in ([1, 2], [2**40, 3])]
    assert read(*parts)[0].users.tolist() == [1, 2, 3, 2**40]


def test_dropped_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u,i\n1,2\n,2\n3,\\N\n4,5\n")
    log = layout("csv", columns={"user": "u", "item": "i"}, missing="drop")
    interactions, counts = read_interactions([tmp_path / "log.csv"], reader_of(log), None, Minimums(1))
    assert pairs_of(interactions) == [(1, 2), (4, 5)]
    assert counts == Counts(2, 2, 0, 0)


def test_no_ratings_at_all_is_said() -> None:
    with pytest.raises(UserError, match="there are no ratings in part-0; put the whole log there"):
        read(pa.record_batch({"user": pa.array([], pa.int64()), "item": pa.array([], pa.int64())}))


def test_a_rating_at_the_threshold_is_no_interaction() -> None:
    rows = [(1, item, 3.5 if item == 0 else 4.0, 0) for item in range(6)]
    assert pairs_of(read(batch(rows), threshold=3.5)[0]) == [(1, item) for item in range(1, 6)]


def test_a_threshold_between_floats_of_32_bits_is_exact() -> None:
    assert pairs_of(read(batch([(1, 1, 3.3, 0), (1, 2, 3.3000001, 0)]), threshold=3.3)[0]) == [(1, 2)]


def test_users_with_too_few_interactions_are_dropped() -> None:
    rows = [(user, item, 5.0, 0) for user, n in [(1, 4), (2, 5), (3, 9)] for item in range(n)]
    assert {user for user, _ in pairs_of(read(batch(rows), threshold=3.5, at_least=5)[0])} == {2, 3}


@pytest.mark.parametrize("threshold", [3.5, 9.0])
def test_nothing_left_after_filtering_is_said_with_numbers(threshold: float) -> None:
    rows = [(1, item, 1.0 if item < 2 else 4.0, 0) for item in range(6)]
    n_above = 4 if threshold < 4 else 0
    with pytest.raises(
        UserError, match=rf"nothing is left of 6 ratings: {n_above} are above the threshold {threshold}"
    ):
        read(batch(rows), threshold=threshold, at_least=5)


def test_nothing_left_is_said_with_all_that_can_be_lowered() -> None:
    rows = [(user, item, 4.0, 7) for user in range(3) for item in range(4)] + [(0, 9, 4.0, 8)]
    log = LogInMemory(batch(rows))
    with pytest.raises(UserError) as raised:
        read_interactions(log.paths, log, 3.5, Minimums(4, 4, core=True), by_time=True, cut=8)
    assert str(raised.value) == (
        "nothing is left of 13 ratings: 12 are above the threshold 3.5 before the cut (8), and no user has 4 of them "
        "with items that have 4; lower threshold or min_user_interactions or min_item_interactions in params.yaml"
    )


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize(
    "times",
    [
        pa.array([5, 3, 4]),
        pa.array([0.5, 0.25, 1_600_000_000.123]),
        pa.array([1_600_000_000_123_456_789, 1_600_000_000_123_456_788, 0], pa.timestamp("ns")),
    ],
)
def test_timestamps_stay_beside_their_interactions_if_the_split_goes_by_them(times: pa.Array, doubled: bool) -> None:
    log = pa.record_batch({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [5.0, 1.0, 5.0], "timestamp": times})
    parts = [log, log] if doubled else [log]
    found = rows_of(read(*parts, threshold=3.5, by_time=True)[0]).timestamp
    assert found is not None
    assert found.tolist() == times.take([0, 2]).to_numpy(zero_copy_only=False).tolist()
    assert rows_of(read(*parts, threshold=3.5)[0]).timestamp is None


def test_with_a_cut_the_last_of_each_side_counts() -> None:
    rows = [(1, 7, 5.0, 1), (1, 7, 1.0, 3), (2, 8, 1.0, 1), (2, 8, 5.0, 2), (2, 8, 5.0, 4), (2, 8, 4.0, 3)]
    interactions, counts = read(batch(rows), threshold=3.5, by_time=True, cut=3)
    assert pairs_of(interactions) == [(1, 7), (2, 8), (2, 8)]
    is_past = rows_of(interactions).is_past
    assert is_past is not None
    assert is_past.tolist() == [True, True, False]
    assert counts.superseded_ratings == 2


def test_a_log_without_timestamps_cannot_be_split_by_them() -> None:
    with pytest.raises(UserError, match=r"split\.kind is time, but the ratings have no timestamp; set kind to users"):
        read(pa.record_batch({"user": [1], "item": [1]}), by_time=True)


def test_dates_in_one_part_and_numbers_in_another_are_said() -> None:
    parts = [
        pa.record_batch({"user": [1], "item": [1], "timestamp": pa.array([1], kind)})
        for kind in (pa.timestamp("ns"), pa.int64())
    ]
    with pytest.raises(UserError, match="dates without a time zone in part-0 but numbers in part-1"):
        read(*parts)


@pytest.mark.parametrize("time", [float("nan"), float("inf")])
def test_a_time_that_is_no_finite_number_is_said(time: float) -> None:
    log = pa.record_batch({"user": [1, 1], "item": [1, 2], "timestamp": [5.0, time]})
    with pytest.raises(UserError, match="part-0, part-0, row 1: the timestamp under 'timestamp' is no finite number"):
        read(log)


@pytest.mark.parametrize("cut", [None, 5, "2026-10-01"])
def test_where_nothing_is_above_the_threshold_no_cut_is_to_blame(cut: int | str | None) -> None:
    rows = [(1, item, 1.0, 5) for item in range(3)]
    with pytest.raises(UserError, match="nothing is left of 3 ratings: 0 are above the threshold"):
        read(batch(rows), threshold=3.5, by_time=True, cut=cut)
