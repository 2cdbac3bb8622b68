"""The split against the protocol's steps, taken one interaction at a time."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.interactions.protocol.interactions import Interactions
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interfaces.split import Split
from stages.run.errors import UserError
from tests.interactions import literal
from tests.interactions.made_up import awkward_ratings, interactions_of

THRESHOLD, AT_LEAST, HELD_OUT_USERS, SHARE, SEED = 3.5, 5, 7, 0.2, 98765


def pairs(matrix: csr_array) -> literal.Pairs:
    coordinates = matrix.tocoo()
    return set(zip(coordinates.row.tolist(), coordinates.col.tolist(), strict=True))


def make_split(rows: list[literal.Rating], held_out_users: int = HELD_OUT_USERS) -> Split:
    return split_strong_generalization(interactions_of(rows, THRESHOLD, AT_LEAST), held_out_users, SHARE, SEED)


@pytest.mark.parametrize("seed", range(12))
def test_split_is_the_protocol_to_the_letter(seed: int) -> None:
    rows = awkward_ratings(seed)
    users, items, train, (validation, test) = literal.split(
        [(user, item, rating) for user, item, rating, _ in rows], THRESHOLD, AT_LEAST, HELD_OUT_USERS, SHARE, SEED
    )
    split = make_split(rows)
    assert split.users.tolist() == users
    assert split.items.tolist() == items
    assert pairs(split.train) == train
    assert (pairs(split.validation.fold_in), pairs(split.validation.held_out)) == validation
    assert (pairs(split.test.fold_in), pairs(split.test.held_out)) == test


def test_users_of_movielens_20m_get_their_published_numbers() -> None:
    """The three numbers of the published split, for 136,677 users of five interactions."""
    n_users, n_held_out = 136_677, 10_000
    users, items = np.arange(n_users), np.arange(5)
    user, item = users.repeat(5).astype(np.int32), np.tile(items, n_users).astype(np.int32)
    interactions = Interactions(users, items, user, item)
    users = split_strong_generalization(interactions, n_held_out, SHARE, SEED).users
    validation, test = users[-2 * n_held_out : -n_held_out], users[-n_held_out:]
    assert users.argmin() == 116_149
    assert n_users - 2 * n_held_out + validation.argmin() == 123_737
    assert n_users - n_held_out + test.argmin() == 134_677


def test_matrices_hold_ones_of_float32() -> None:
    split = make_split(awkward_ratings(0))
    for matrix in (split.train, split.test.fold_in, split.test.held_out):
        assert matrix.dtype == np.float32
        assert set(matrix.data) == {1.0}


def test_fewer_users_than_are_to_be_held_out_is_said_with_numbers() -> None:
    with pytest.raises(UserError, match="too few to hold out 50 for validation and 50 for test"):
        make_split(awkward_ratings(0), held_out_users=50)


def test_users_without_anything_to_hold_out_are_said() -> None:
    interactions = interactions_of([(user, item, 5.0, 0) for user in range(20) for item in range(3)], at_least=1)
    with pytest.raises(UserError, match="nothing can be held out"):
        split_strong_generalization(interactions, 5, SHARE, SEED)
