"""The auto-encoders' sparse arithmetic against the plain dense one of the papers."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.recommender import Interactions, UserItems
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.likelihood import MultinomialLoss


def initialised(model: AutoEncoder) -> AutoEncoder:
    model.initialise(torch.Generator().manual_seed(0))
    return model


def loss_of(model: AutoEncoder, batch: UserItems, progress: float, generator: torch.Generator) -> Tensor:
    return model.loss(batch, progress, generator, MultinomialLoss(model.output, torch.float32))


def dense_first_layer(model: AutoEncoder, users: Tensor) -> Tensor:
    normalised = users / users.norm(dim=1, keepdim=True)
    return (normalised @ model.input_weight + model.input_bias).tanh()


def dense_likelihood(model: AutoEncoder, hidden: Tensor, users: Tensor) -> Tensor:
    return -(users * model.output(hidden).log_softmax(1)).sum(1).mean()


def test_dae_is_the_papers_dense_network(checkerboard: csr_array) -> None:
    model = initialised(AutoEncoder(40, [8, 6], dropout=0.0))
    users = torch.from_numpy(checkerboard.toarray())
    hidden = model.layers[0](dense_first_layer(model, users)).tanh()
    batch = Interactions(checkerboard, torch.device("cpu")).all()
    np.testing.assert_allclose(model.embed(checkerboard), hidden.detach(), atol=1e-6)
    np.testing.assert_allclose(model.score(hidden.detach().numpy()), model.output(hidden).detach(), atol=1e-6)
    loss = loss_of(model, batch, 0.0, torch.Generator())
    torch.testing.assert_close(loss, dense_likelihood(model, hidden, users))


def test_vae_adds_its_annealed_divergence(checkerboard: csr_array) -> None:
    model = initialised(VariationalAutoEncoder(40, [8, 3, 8], dropout=0.0, kl_cap=0.2, kl_anneal=0.5))
    users = torch.from_numpy(checkerboard.toarray())
    batch = Interactions(checkerboard, torch.device("cpu")).all()
    mean, log_variance = model.layers[0](dense_first_layer(model, users)).chunk(2, dim=1)
    latent = torch.distributions.Normal(mean, (log_variance / 2).exp())
    divergence = torch.distributions.kl_divergence(latent, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    noise = torch.Generator().manual_seed(1)
    torch.rand(len(batch.items), generator=noise)  # the dropout's draws
    sample = mean + torch.randn(mean.shape, generator=noise) * latent.stddev
    likelihood = dense_likelihood(model, model.layers[1](sample).tanh(), users)
    for progress, weight in [(0.0, 0.0), (0.25, 0.1), (0.5, 0.2), (1.0, 0.2)]:
        loss = loss_of(model, batch, progress, torch.Generator().manual_seed(1))
        torch.testing.assert_close(loss, likelihood + weight * divergence)


def test_vae_embeds_with_the_mean_and_without_noise(checkerboard: csr_array) -> None:
    model = initialised(VariationalAutoEncoder(40, [8, 3, 8], dropout=0.5, kl_cap=0.2, kl_anneal=0.5))
    mean = model.layers[0](dense_first_layer(model, torch.from_numpy(checkerboard.toarray())))[:, :3]
    np.testing.assert_allclose(model.embed(checkerboard), model.layers[1](mean).tanh().detach(), atol=1e-6)


def shows_its_input(dropout: float) -> AutoEncoder:
    """A model whose embedding is the tanh of its input."""
    model = AutoEncoder(40, [40], dropout)
    torch.nn.init.eye_(model.input_weight)
    torch.nn.init.zeros_(model.input_bias)
    return model


def test_dropout_hides_its_share_of_the_input_and_scales_the_rest(checkerboard: csr_array) -> None:
    model = shows_its_input(dropout=0.25)
    batch = Interactions(checkerboard, torch.device("cpu")).all()
    seen = model.last_hidden(batch, 0.0, torch.Generator().manual_seed(0))[0][batch.users, batch.items].atanh()
    clean = torch.from_numpy(model.embed(checkerboard))[batch.users, batch.items].atanh()
    kept = seen != 0
    assert 1 - kept.float().mean() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(seen[kept], clean[kept] / 0.75)


def test_parts_of_histories_are_embedded_as_histories_of_their_own(checkerboard: csr_array) -> None:
    model = shows_its_input(dropout=0.5)
    parts = np.arctanh(model.embed_parts(checkerboard, torch.Generator().manual_seed(0)))
    assert not parts[checkerboard.toarray() == 0].any()
    np.testing.assert_allclose(np.linalg.norm(parts, axis=1), 1, rtol=1e-5)
    kept = (parts > 0).sum(1) / np.diff(checkerboard.indptr)
    assert kept.mean() == pytest.approx(0.75, abs=0.02)
    assert kept.min() < 0.6
    assert kept.max() > 0.9


def test_a_part_without_items_is_embedded_as_no_history() -> None:
    model = shows_its_input(dropout=0.5)
    one_each = csr_array(np.eye(40, dtype=np.float32))
    parts = model.embed_parts(one_each, torch.Generator().manual_seed(0))
    assert np.isfinite(parts).all()
    assert 0 < (parts == 0).all(1).sum() < 40


def test_first_weights_are_glorot_uniform_and_biases_near_zero() -> None:
    model = initialised(AutoEncoder(400, [100], dropout=0.5))
    limit = math.sqrt(6 / (400 + 100))
    for weights in (model.input_weight, model.output.weight):
        assert 0.99 * limit < weights.abs().max() <= limit
        assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert model.output.bias.abs().max() <= 0.002


def test_nothing_is_drawn_from_torchs_global_generator(checkerboard: csr_array) -> None:
    before = torch.get_rng_state()
    model = initialised(VariationalAutoEncoder(40, [8, 3, 8], dropout=0.5, kl_cap=0.2, kl_anneal=0.5))
    loss_of(model, Interactions(checkerboard, torch.device("cpu")).all(), 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
