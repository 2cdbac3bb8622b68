"""Ratings are numbered in the order of their ids, the last of doubled ones counts, and filters keep the order."""

from pathlib import Path

import pyarrow as pa
import pytest

from stages.interactions.protocol.interactions import Interactions, read_interactions
from stages.run.errors import UserError
from tests.interactions import literal
from tests.interactions.made_up import awkward_ratings, batch


def read(*parts: pa.RecordBatch, threshold: float | None = None, at_least: int = 1) -> tuple[Interactions, int, int]:
    files = {Path(f"part-{place}"): part for place, part in enumerate(parts)}
    return read_interactions(list(files), lambda file: iter([files[file]]), threshold, at_least)


def pairs(interactions: Interactions) -> list[tuple[int, int]]:
    columns = interactions.users[interactions.user], interactions.items[interactions.item]
    return list(zip(*(column.tolist() for column in columns), strict=True))


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
    interactions, _, _ = read(pa.record_batch({"user": ids, "item": ids[::-1]}))
    assert interactions.users.tolist() == sorted(ids)
    assert pairs(interactions) == list(zip(ids, ids[::-1], strict=True))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n_parts", [1, 7])
def test_the_last_of_several_ratings_by_timestamp_counts_in_its_place(seed: int, n_parts: int) -> None:
    rows = awkward_ratings(seed) + awkward_ratings(seed)[::2] + awkward_ratings(seed + 1)
    last = literal.last_of_each_pair(rows)
    size = len(rows) // n_parts + 1
    parts = [batch(rows[start : start + size]) for start in range(0, len(rows), size)]
    interactions, n_ratings, n_superseded = read(*parts, threshold=3.5)
    assert pairs(interactions) == [(user, item) for user, item, rating in last if rating > 3.5]
    assert (n_ratings, n_superseded) == (len(rows), len(rows) - len(last))


def test_without_timestamps_the_last_one_in_the_files_counts() -> None:
    parts = [pa.record_batch({"user": [1, 1], "item": [7, 8], "rating": [rating, 5.0]}) for rating in (5.0, 1.0)]
    interactions, _, n_superseded = read(*parts, threshold=3.5)
    assert pairs(interactions) == [(1, 8)]
    assert n_superseded == 2


@pytest.mark.parametrize("repeated", [(5, 9), (1, 3)])  # the last row of a part, and one long before
def test_a_pair_that_comes_again_in_the_next_part_counts_once(repeated: tuple[int, int]) -> None:
    sorted_part = pa.record_batch({"user": [1, 2, 5], "item": [3, 4, 9]})
    again = pa.record_batch({"user": [repeated[0], 7], "item": [repeated[1], 7]})
    interactions, _, n_superseded = read(sorted_part, again)
    assert sorted(pairs(interactions)) == [(1, 3), (2, 4), (5, 9), (7, 7)]
    assert n_superseded == 1


def test_rows_in_order_are_taken_as_they_are() -> None:
    rows = sorted({(user, item, rating, 0) for user, item, rating, _ in awkward_ratings(0)})
    parts = [batch(rows[:50]), batch(rows[50:])]
    assert pairs(read(*parts, threshold=3.5)[0]) == [(user, item) for user, item, rating, _ in rows if rating > 3.5]


def test_parts_with_ids_of_different_kinds_are_said() -> None:
    parts = [pa.record_batch({"user": user, "item": [1]}) for user in ([1], ["a"])]
    with pytest.raises(UserError, match="user ids are numbers in part-0 but text in part-1"):
        read(*parts)


def test_an_empty_part_changes_nothing() -> None:
    parts = [
        pa.record_batch({"user": pa.array(users, pa.int64()), "item": pa.array(users, pa.int64())})
        for users in ([1], [], [2])
    ]
    assert pairs(read(*parts)[0]) == [(1, 1), (2, 2)]


def test_numbers_of_different_widths_go_together() -> None:
    parts = [pa.record_batch({"user": pa.array(users), "item": [1, 2]}) for users in ([1, 2], [2**40, 3])]
    assert read(*parts)[0].users.tolist() == [1, 2, 3, 2**40]


def test_no_ratings_at_all_is_said() -> None:
    with pytest.raises(UserError, match="there are no ratings in nothing"):
        read_interactions([Path("nothing")], lambda _: iter([]), None, 1)


def test_a_rating_at_the_threshold_is_no_interaction() -> None:
    rows = [(1, item, 3.5 if item == 0 else 4.0, 0) for item in range(6)]
    assert pairs(read(batch(rows), threshold=3.5)[0]) == [(1, item) for item in range(1, 6)]


def test_a_threshold_between_floats_of_32_bits_is_exact() -> None:
    assert pairs(read(batch([(1, 1, 3.3, 0), (1, 2, 3.3000001, 0)]), threshold=3.3)[0]) == [(1, 2)]


def test_users_with_too_few_interactions_are_dropped() -> None:
    rows = [(user, item, 5.0, 0) for user, n in [(1, 4), (2, 5), (3, 9)] for item in range(n)]
    assert {user for user, _ in pairs(read(batch(rows), threshold=3.5, at_least=5)[0])} == {2, 3}


@pytest.mark.parametrize("threshold", [3.5, 9.0])
def test_nothing_left_after_filtering_is_said_with_numbers(threshold: float) -> None:
    rows = [(1, item, 1.0 if item < 2 else 4.0, 0) for item in range(6)]
    n_above = 4 if threshold < 4 else 0
    with pytest.raises(
        UserError, match=rf"nothing is left of 6 ratings: {n_above} are above the threshold {threshold}"
    ):
        read(batch(rows), threshold=threshold, at_least=5)
