"""Ratings are numbered in the order of their ids, the last of doubled ones counts, and filters keep the order."""

from pathlib import Path

import pyarrow as pa
import pytest

from stages.errors import UserError
from stages.interactions.ratings import Ratings, find_interactions, read_ratings
from tests.interactions import literal
from tests.interactions.made_up import awkward_ratings, batch, numbered


def read(*parts: pa.RecordBatch) -> tuple[Ratings, int]:
    files = {Path(f"part-{place}"): part for place, part in enumerate(parts)}
    return read_ratings(list(files), lambda file: iter([files[file]]))


def triples(ratings: Ratings) -> list[tuple[int, int, float]]:
    assert ratings.rating is not None
    columns = ratings.users[ratings.user], ratings.items[ratings.item], ratings.rating
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
    ratings, _ = read(pa.record_batch({"user": ids, "item": ids[::-1]}))
    assert ratings.users.tolist() == sorted(ids)
    assert ratings.users[ratings.user].tolist() == ids
    assert ratings.items[ratings.item].tolist() == ids[::-1]


@pytest.mark.parametrize("seed", range(8))
def test_the_last_of_several_ratings_by_timestamp_counts_in_its_place(seed: int) -> None:
    rows = awkward_ratings(seed) + awkward_ratings(seed)[::2] + awkward_ratings(seed + 1)
    ratings, n_superseded = read(batch(rows))
    assert triples(ratings) == literal.last_of_each_pair(rows)
    assert n_superseded == len(rows) - len(ratings)


def test_without_timestamps_the_last_one_in_the_files_counts() -> None:
    parts = [pa.record_batch({"user": [1, 1], "item": [7, 8], "rating": [rating, 2.0]}) for rating in (5.0, 1.0)]
    ratings, n_superseded = read(*parts)
    assert triples(ratings) == [(1, 7, 1.0), (1, 8, 2.0)]
    assert n_superseded == 2


def test_parts_are_one_after_the_other() -> None:
    rows = awkward_ratings(0)
    assert triples(read(batch(rows[:50]), batch(rows[50:]))[0]) == triples(numbered(rows))


def test_parts_with_ids_of_different_kinds_are_said() -> None:
    parts = [pa.record_batch({"user": user, "item": [1]}) for user in ([1], ["a"])]
    with pytest.raises(UserError, match="user ids are numbers in part-0 but text in part-1"):
        read(*parts)


def test_no_ratings_at_all_is_said() -> None:
    with pytest.raises(UserError, match="there are no ratings in nothing"):
        read_ratings([Path("nothing")], lambda _: iter([]))


def test_a_rating_at_the_threshold_is_no_interaction() -> None:
    ratings = numbered([(1, item, 3.5 if item == 0 else 4.0, 0) for item in range(6)])
    assert find_interactions(ratings, 3.5, 5).item.tolist() == [1, 2, 3, 4, 5]


def test_a_threshold_between_floats_of_32_bits_is_exact() -> None:
    ratings = numbered([(1, 1, 3.3, 0), (1, 2, 3.3000001, 0)])
    assert find_interactions(ratings, 3.3, 1).item.tolist() == [1]


def test_users_with_too_few_interactions_are_dropped() -> None:
    ratings = numbered([(user, item, 5.0, 0) for user, n in [(1, 4), (2, 5), (3, 9)] for item in range(n)])
    interactions = find_interactions(ratings, 3.5, 5)
    assert set(interactions.users[interactions.user].tolist()) == {2, 3}


def test_without_ratings_every_row_is_an_interaction() -> None:
    ratings, _ = read(pa.record_batch({"user": [1, 1, 2], "item": [1, 2, 1]}))
    assert len(find_interactions(ratings, None, 2)) == 2


def test_nothing_left_after_filtering_is_said_with_numbers() -> None:
    ratings = numbered([(1, item, 1.0 if item < 2 else 4.0, 0) for item in range(6)])
    with pytest.raises(UserError, match=r"nothing is left of 6 ratings: 4 are above the threshold 3\.5"):
        find_interactions(ratings, 3.5, 5)
