"""The split against the protocol's steps, taken one interaction at a time."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from stages.errors import UserError
from stages.interactions.split import Split, find_interactions, split_strong_generalization

THRESHOLD, AT_LEAST, HELD_OUT_USERS, SHARE, SEED = 3.5, 5, 7, 0.2, 98765
Pairs = set[tuple[int, int]]


def random_ratings(seed: int) -> pd.DataFrame:
    """Unsorted ratings of 40 users: many with 4, 5, 9 or 10 good ones, and items that hardly anybody rated."""
    generator = np.random.default_rng(seed)
    frames = []
    for user in generator.choice(1000, size=40, replace=False):
        n_liked = generator.choice([3, 4, 5, 6, 9, 10, 25])
        n = n_liked + generator.integers(0, 4)
        items = generator.choice(60, size=n, replace=False) ** 2
        ratings = np.where(
            np.arange(n) < n_liked, generator.choice([4.0, 4.5, 5.0], n), generator.choice([0.5, 3.5], n)
        )
        frames.append(pd.DataFrame({"user": user, "item": items, "rating": ratings, "timestamp": 0}))
    return pd.concat(frames).sample(frac=1, random_state=seed).reset_index(drop=True)


def split_by_the_letter(ratings: pd.DataFrame) -> tuple[list[int], list[int], Pairs, list[tuple[Pairs, Pairs]]]:
    """Users, items, train pairs, and (fold-in, held-out) pairs of validation and test, numbered as in the protocol."""
    # Step 1: ratings above the threshold, then users with enough of them.
    columns: list[list[float]] = [ratings[name].tolist() for name in ("user", "item", "rating")]
    rows = [(int(user), int(item)) for user, item, rating in zip(*columns, strict=True) if rating > THRESHOLD]
    counts = Counter(user for user, _ in rows)
    rows = [(user, item) for user, item in rows if counts[user] >= AT_LEAST]
    # Step 2: one permutation of the sorted users; the last are test, those before them validation.
    users = sorted({user for user, _ in rows})
    np.random.seed(SEED)
    users = [users[position] for position in np.random.permutation(len(users))]
    n_train = len(users) - 2 * HELD_OUT_USERS
    # Step 3: items of the train users, in order of first appearance.
    items: list[int] = []
    for user, item in rows:
        if user in users[:n_train] and item not in items:
            items.append(item)
    number = {item: position for position, item in enumerate(items)}
    train = {(users.index(user), number[item]) for user, item in rows if user in users[:n_train]}
    # Step 4: hold out a share of each user's items, users in the order of their original ids.
    parts = []
    for first in (n_train, n_train + HELD_OUT_USERS):
        np.random.seed(SEED)
        fold_in: Pairs = set()
        held_out: Pairs = set()
        for user in sorted(users[first : first + HELD_OUT_USERS]):
            mine = [item for other, item in rows if other == user and item in number]
            picked = []
            if len(mine) >= 5:
                picked = list(np.random.choice(len(mine), size=int(SHARE * len(mine)), replace=False))
            for position, item in enumerate(mine):
                (held_out if position in picked else fold_in).add((users.index(user) - first, number[item]))
        parts.append((fold_in, held_out))
    return users, items, train, parts


def pairs(matrix: csr_array) -> Pairs:
    coordinates = matrix.tocoo()
    return set(zip(coordinates.row.tolist(), coordinates.col.tolist(), strict=True))


def make_split(ratings: pd.DataFrame, held_out_users: int = HELD_OUT_USERS) -> Split:
    return split_strong_generalization(find_interactions(ratings, THRESHOLD, AT_LEAST), held_out_users, SHARE, SEED)


@pytest.mark.parametrize("seed", range(12))
def test_split_is_the_protocol_to_the_letter(seed: int) -> None:
    ratings = random_ratings(seed)
    users, items, train, (validation, test) = split_by_the_letter(ratings)
    split = make_split(ratings)
    assert split.users.tolist() == users
    assert split.items.tolist() == items
    assert pairs(split.train) == train
    assert (pairs(split.validation.fold_in), pairs(split.validation.held_out)) == validation
    assert (pairs(split.test.fold_in), pairs(split.test.held_out)) == test


def test_users_of_movielens_20m_get_their_published_numbers() -> None:
    """The three numbers of the protocol note, for 136,677 users of five interactions."""
    n_users, n_held_out = 136_677, 10_000
    interactions = pd.DataFrame({"user": np.arange(n_users).repeat(5), "item": np.tile(np.arange(5), n_users)})
    users = split_strong_generalization(interactions, n_held_out, SHARE, SEED).users
    validation, test = users[-2 * n_held_out : -n_held_out], users[-n_held_out:]
    assert users.argmin() == 116_149
    assert n_users - 2 * n_held_out + validation.argmin() == 123_737
    assert n_users - n_held_out + test.argmin() == 134_677


def test_matrices_hold_ones_of_float32() -> None:
    split = make_split(random_ratings(0))
    for matrix in (split.train, split.test.fold_in, split.test.held_out):
        assert matrix.dtype == np.float32
        assert set(matrix.data) == {1.0}


def test_a_rating_at_the_threshold_is_no_interaction() -> None:
    ratings = pd.DataFrame({"user": 1, "item": range(6), "rating": [3.5, 4.0, 4.0, 4.0, 4.0, 4.0]})
    assert find_interactions(ratings, 3.5, 5)["item"].tolist() == [1, 2, 3, 4, 5]


def test_nothing_left_after_filtering_is_said_with_numbers() -> None:
    ratings = pd.DataFrame({"user": 1, "item": range(6), "rating": [1.0, 1.0, 4.0, 4.0, 4.0, 4.0]})
    with pytest.raises(UserError, match=r"nothing is left of 6 ratings: 4 are above the threshold 3\.5"):
        find_interactions(ratings, 3.5, 5)


def test_fewer_users_than_are_to_be_held_out_is_said_with_numbers() -> None:
    with pytest.raises(UserError, match="too few to hold out 50 for validation and 50 for test"):
        make_split(random_ratings(0), held_out_users=50)


def test_users_without_anything_to_hold_out_are_said() -> None:
    interactions = pd.DataFrame({"user": np.arange(20).repeat(3), "item": np.tile(np.arange(3), 20)})
    with pytest.raises(UserError, match="nothing can be held out"):
        split_strong_generalization(interactions, 5, SHARE, SEED)
