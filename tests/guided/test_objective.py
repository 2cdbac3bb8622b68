"""The objective is what it says: equal to the oracle where the shortlist holds all items, and near it elsewhere."""

import numpy as np
import pytest
import torch

from stages.guided import objective
from stages.guided.encoder import Guide
from stages.guided.objective import Decoder, Users
from stages.interfaces.batches import SparseRows
from tests.guided.made_up import BIAS, GUIDES, LAYER, N_ITEMS, N_USERS, VECTORS, WEIGHT, WIDTH, codec_of, objectives

CPU = torch.device("cpu")
NEAREST = torch.from_numpy(codec_of("residual").decode(codec_of("residual").encode(VECTORS)))


@pytest.fixture
def decoder() -> Decoder:
    return Decoder(torch.from_numpy(WEIGHT), torch.from_numpy(BIAS), torch.from_numpy(VECTORS).mean(0))


def users_of(decoder: Decoder, guide: Guide) -> Users:
    known = SparseRows(LAYER.histories, CPU).all()
    return Users.of(decoder, torch.from_numpy(VECTORS), known, guide.share_of_items, guide.pull)


def less_embedding(guide: Guide, decoded: torch.Tensor) -> np.ndarray:
    """The oracle's value of vectors less that of the embeddings."""
    return objectives(decoded.numpy(), guide) - objectives(VECTORS, guide)


@pytest.mark.parametrize("by", GUIDES)
def test_values_are_exact_where_the_shortlist_holds_all_items(decoder: Decoder, by: str) -> None:
    guide = GUIDES[by]
    users = users_of(decoder, guide)
    values, exponentials = users.values(torch.stack([NEAREST, torch.from_numpy(VECTORS)], 1))
    assert exponentials.shape == (N_USERS, 2, N_ITEMS)
    np.testing.assert_allclose(values[:, 0].numpy(), less_embedding(guide, NEAREST), atol=1e-3)
    np.testing.assert_allclose(values[:, 1].numpy(), 0, atol=1e-4)
    np.testing.assert_allclose(users.exact_values(NEAREST).numpy(), less_embedding(guide, NEAREST), atol=1e-3)


@pytest.mark.parametrize("by", GUIDES)
def test_beyond_the_shortlist_values_are_near_and_exact_values_exact(
    decoder: Decoder, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "SHORTLIST", 30)
    guide = GUIDES[by]
    users = users_of(decoder, guide)
    values, exponentials = users.values(NEAREST[:, None])
    assert exponentials.shape == (N_USERS, 1, 30)
    exact = less_embedding(guide, NEAREST)
    np.testing.assert_allclose(users.exact_values(NEAREST).numpy(), exact, atol=1e-3)
    # With the mean of the rest alone, and not its curvature, an error three times as large.
    assert np.abs(values[:, 0].numpy() - exact).mean() < 0.05 * np.abs(exact).mean()


@pytest.mark.parametrize("by", GUIDES)
@pytest.mark.parametrize("shortlist", [30, N_ITEMS, 1024])
def test_gradients_are_those_of_the_values(
    decoder: Decoder, by: str, shortlist: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "SHORTLIST", shortlist)
    users = users_of(decoder, GUIDES[by])
    vectors = NEAREST.clone().requires_grad_()
    values, exponentials = users.values(vectors[:, None])
    (expected,) = torch.autograd.grad(values.sum(), vectors)
    with torch.no_grad():
        found = users.gradients(NEAREST, exponentials[:, 0])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_the_covariance_is_the_curvature_at_the_centre(decoder: Decoder) -> None:
    centre = torch.from_numpy(VECTORS).mean(0)
    curvature = torch.autograd.functional.hessian(lambda v: decoder.logits(v[None]).logsumexp(1)[0], centre)
    assert decoder.covariance.shape == (WIDTH, WIDTH)
    torch.testing.assert_close(decoder.covariance, curvature, atol=1e-4, rtol=1e-3)
