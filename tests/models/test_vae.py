"""The variational auto-encoder against torch's own distributions."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.batches import SparseRows
from stages.models.likelihood import MultinomialLoss
from stages.models.vae import VariationalAutoEncoder


def vae(dropout: float) -> VariationalAutoEncoder:
    model = VariationalAutoEncoder(40, [8, 3, 8], dropout, kl_cap=0.2, kl_anneal=0.5)
    model.initialise(torch.Generator().manual_seed(0))
    return model


def first_layer(model: VariationalAutoEncoder, users: Tensor) -> Tensor:
    normalised = users / users.norm(dim=1, keepdim=True)
    return (normalised @ model.input_weight + model.input_bias).tanh()


def likelihood_of(model: VariationalAutoEncoder, hidden: Tensor, users: Tensor) -> Tensor:
    return -(users * model.output(hidden).log_softmax(1)).sum(1).mean()


def test_vae_adds_its_annealed_divergence(checkerboard: csr_array) -> None:
    model = vae(dropout=0.0)
    users = torch.from_numpy(checkerboard.toarray())
    batch = SparseRows(checkerboard, torch.device("cpu")).all()
    mean, log_variance = model.layers[0](first_layer(model, users)).chunk(2, dim=1)
    latent = torch.distributions.Normal(mean, (log_variance / 2).exp())
    divergence = torch.distributions.kl_divergence(latent, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    of_items = MultinomialLoss(model.output, torch.float32)
    noise = torch.Generator().manual_seed(1)
    torch.rand(len(batch.items), generator=noise)  # the dropout's draws
    sample = mean + torch.randn(mean.shape, generator=noise) * latent.stddev
    likelihood = likelihood_of(model, model.layers[1](sample).tanh(), users)
    for progress, weight in [(0.0, 0.0), (0.25, 0.1), (0.5, 0.2), (1.0, 0.2)]:
        losses = model.loss(batch, progress, torch.Generator().manual_seed(1), of_items)
        torch.testing.assert_close(losses.total, likelihood + weight * divergence)
        torch.testing.assert_close(losses.likelihood, likelihood)


def test_vae_embeds_with_the_mean_and_without_noise(checkerboard: csr_array) -> None:
    model = vae(dropout=0.5)
    mean = model.layers[0](first_layer(model, torch.from_numpy(checkerboard.toarray())))[:, :3]
    np.testing.assert_allclose(model.embed(checkerboard), model.layers[1](mean).tanh().detach(), atol=1e-6)


def test_its_noise_is_not_drawn_from_torchs_global_generator(checkerboard: csr_array) -> None:
    before = torch.get_rng_state()
    model = vae(dropout=0.5)
    batch = SparseRows(checkerboard, torch.device("cpu")).all()
    model.loss(batch, 0.5, torch.Generator().manual_seed(0), MultinomialLoss(model.output, torch.float32))
    assert torch.equal(torch.get_rng_state(), before)
