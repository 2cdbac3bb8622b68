"""The objective is what it says: equal to the oracle where the shortlist holds all items, and near it elsewhere."""

import numpy as np
import pytest
import torch

from stages.guided import objective
from stages.guided.guide import Guide
from stages.guided.objective import Decoder, Users
from stages.interfaces.batches import SparseRows
from tests.guided.made_up import BIAS, GUIDES, LAYER, N_ITEMS, N_USERS, VECTORS, WEIGHT, WIDTH, codec_of, objectives

CPU = torch.device("cpu")
NEAREST = torch.from_numpy(codec_of("residual").decode(codec_of("residual").encode(VECTORS)))


def new_decoder() -> Decoder:
    return Decoder(torch.from_numpy(WEIGHT), torch.from_numpy(BIAS), torch.from_numpy(VECTORS).mean(0))


def users_of(guide: Guide) -> Users:
    known = SparseRows(LAYER.histories, CPU).all()
    return Users.of(new_decoder(), torch.from_numpy(VECTORS), known, guide.share_of_items, guide.pull)


def less_embedding(guide: Guide, decoded: torch.Tensor) -> np.ndarray:
    """The oracle's value of vectors less that of the embeddings."""
    return objectives(decoded.numpy(), guide) - objectives(VECTORS, guide)


@pytest.mark.parametrize("by", GUIDES)
def test_values_are_exact_where_the_shortlist_holds_all_items(by: str) -> None:
    guide = GUIDES[by]
    users = users_of(guide)
    values, exponentials = users.values(torch.stack([NEAREST, torch.from_numpy(VECTORS)], 1))
    assert exponentials.shape == (N_USERS, 2, N_ITEMS)
    np.testing.assert_allclose(values[:, 0].numpy(), less_embedding(guide, NEAREST), atol=1e-3)
    np.testing.assert_allclose(values[:, 1].numpy(), 0, atol=1e-4)
    np.testing.assert_allclose(
        users.exact_values(NEAREST[:, None])[:, 0].numpy(), less_embedding(guide, NEAREST), atol=1e-3
    )


@pytest.mark.parametrize("by", GUIDES)
def test_beyond_the_shortlist_values_are_near_and_exact_values_exact(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "SHORTLIST", 30)
    guide = GUIDES[by]
    users = users_of(guide)
    values, exponentials = users.values(NEAREST[:, None])
    assert exponentials.shape == (N_USERS, 1, 30)
    exact = less_embedding(guide, NEAREST)
    np.testing.assert_allclose(users.exact_values(NEAREST[:, None])[:, 0].numpy(), exact, atol=1e-3)
    assert np.abs(values[:, 0].numpy() - exact).mean() < 0.05 * np.abs(exact).mean()


@pytest.mark.parametrize("by", GUIDES)
@pytest.mark.parametrize("shortlist", [30, N_ITEMS, 1024])
def test_gradients_are_those_of_the_values(by: str, shortlist: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "SHORTLIST", shortlist)
    users = users_of(GUIDES[by])
    vectors = NEAREST.clone().requires_grad_()
    values, exponentials = users.values(vectors[:, None])
    (expected,) = torch.autograd.grad(values.sum(), vectors)
    with torch.no_grad():
        found = users.gradients(NEAREST, exponentials[:, 0])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("by", GUIDES)
def test_values_of_steps_are_those_of_the_vectors(by: str) -> None:
    users, n_steps = users_of(GUIDES[by]), 4
    steps = torch.from_numpy(np.random.default_rng(1).normal(size=(N_USERS, n_steps, WIDTH)).astype(np.float32) / 5)
    expected = [NEAREST + steps[:, step] for step in range(n_steps)]
    expected += [NEAREST + steps[:, : step + 1].sum(1) for step in range(1, n_steps)]
    found, exponentials, vectors = users.values_of_steps(NEAREST, steps)
    torch.testing.assert_close(vectors, torch.stack(expected, 1))
    values, of_best = users.values(vectors)
    torch.testing.assert_close(found, values, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(exponentials, of_best, atol=1e-4, rtol=1e-3)


def test_some_of_the_users_have_the_values_that_they_had() -> None:
    users = users_of(GUIDES["mixture"])
    rows = torch.tensor([5, 0, 17])
    torch.testing.assert_close(
        users.rows(rows).values(NEAREST[rows][:, None])[0], users.values(NEAREST[:, None])[0][rows]
    )


def test_the_covariance_is_the_curvature_at_the_centre() -> None:
    decoder = new_decoder()
    centre = torch.from_numpy(VECTORS).mean(0)
    curvature = torch.autograd.functional.hessian(lambda v: decoder.logits(v[None]).logsumexp(1)[0], centre)
    assert decoder.covariance.shape == (WIDTH, WIDTH)
    torch.testing.assert_close(decoder.covariance, curvature, atol=1e-4, rtol=1e-3)
