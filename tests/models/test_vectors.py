"""Vectors from elsewhere are looked up by who the user is, and scored by inner products."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.codec import Float32
from stages.interfaces.split import HeldOutUsers
from stages.models.vectors import Vectors
from stages.ranking.evaluation import ndcg_of_users, rank
from stages.run.errors import UserError

DRAWS = np.random.default_rng(0)
USERS, ITEMS = (DRAWS.normal(size=(n, 4)).astype(np.float32) for n in (30, 12))
NOTHING = csr_array(np.zeros((10, 12), np.float32))


@pytest.fixture
def model() -> Vectors:
    return Vectors(torch.from_numpy(USERS), torch.from_numpy(ITEMS))


def test_a_user_is_a_row(model: Vectors) -> None:
    numbers = np.array([7, 3, 29])
    np.testing.assert_array_equal(model.embed_users(numbers, NOTHING[:3]), USERS[numbers])


def test_scores_are_inner_products(model: Vectors) -> None:
    np.testing.assert_allclose(model.score(USERS[:5]), USERS[:5] @ ITEMS.T, rtol=1e-5, atol=1e-6)


def test_what_codebooks_are_fitted_on_are_the_vectors_of_the_train_users(model: Vectors) -> None:
    np.testing.assert_array_equal(model.embed_parts(NOTHING, torch.Generator()), USERS[:10])


def test_a_history_has_no_vector(model: Vectors) -> None:
    with pytest.raises(UserError, match="can't be made of interactions"):
        model.embed(NOTHING)


@pytest.mark.parametrize("first", [0, 20])
def test_held_out_users_are_ranked_by_their_own_vectors(model: Vectors, first: int) -> None:
    held_out = csr_array((DRAWS.random((10, 12)) < 0.3).astype(np.float32))
    users = HeldOutUsers(NOTHING, held_out, first)
    for ranking in rank(model, Float32(), users, 4):
        expected = np.argsort(-(USERS[first + ranking.users] @ ITEMS.T), axis=1, kind="stable")
        np.testing.assert_array_equal(ranking.items, expected)
    assert len(ndcg_of_users(model, Float32(), users, 4)) == len(users.scored())
