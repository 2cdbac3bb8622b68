"""The auto-encoders' sparse arithmetic against the plain dense one of the papers."""

import math
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.batches import SparseRows, UserItems
from stages.models import autoencoder
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.models.likelihood import MultinomialLoss


def initialised(model: AutoEncoder) -> AutoEncoder:
    model.initialise(torch.Generator().manual_seed(0))
    return model


def loss_of(model: AutoEncoder, batch: UserItems, progress: float, generator: torch.Generator) -> Tensor:
    return model.loss(batch, progress, generator, MultinomialLoss(model.output, torch.float32)).total


def dense_first_layer(model: AutoEncoder, users: Tensor) -> Tensor:
    normalised = users / users.norm(dim=1, keepdim=True)
    return (normalised @ model.input_weight + model.input_bias).tanh()


def dense_likelihood(model: AutoEncoder, hidden: Tensor, users: Tensor) -> Tensor:
    return -(users * model.output(hidden).log_softmax(1)).sum(1).mean()


def test_dae_is_the_papers_dense_network(checkerboard: csr_array) -> None:
    model = initialised(AutoEncoder(40, [8, 6], dropout=0.0))
    users = torch.from_numpy(checkerboard.toarray())
    hidden = model.layers[0](dense_first_layer(model, users)).tanh()
    batch = SparseRows(checkerboard, torch.device("cpu")).all()
    np.testing.assert_allclose(model.embed(checkerboard), hidden.detach(), atol=1e-6)
    np.testing.assert_allclose(model.score(hidden.detach().numpy()), model.output(hidden).detach(), atol=1e-6)
    loss = loss_of(model, batch, 0.0, torch.Generator())
    torch.testing.assert_close(loss, dense_likelihood(model, hidden, users))


def shows_its_input(dropout: float) -> AutoEncoder:
    """A model whose embedding is the tanh of its input."""
    model = AutoEncoder(40, [40], dropout)
    torch.nn.init.eye_(model.input_weight)
    torch.nn.init.zeros_(model.input_bias)
    return model


def test_dropout_hides_its_share_of_the_input_and_scales_the_rest(checkerboard: csr_array) -> None:
    model = shows_its_input(dropout=0.25)
    batch = SparseRows(checkerboard, torch.device("cpu")).all()
    seen = model.last_hidden(batch, 0.0, torch.Generator().manual_seed(0))[0][batch.users, batch.items].atanh()
    clean = torch.from_numpy(model.embed(checkerboard))[batch.users, batch.items].atanh()
    kept = seen != 0
    assert 1 - kept.float().mean() == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(seen[kept], clean[kept] / 0.75)


def test_subsampled_histories_are_embedded_as_histories_of_their_own(checkerboard: csr_array) -> None:
    model = shows_its_input(dropout=0.5)
    subsampled = np.arctanh(model.embed_subsampled(checkerboard, torch.Generator().manual_seed(0)))
    assert not subsampled[checkerboard.toarray() == 0].any()
    np.testing.assert_allclose(np.linalg.norm(subsampled, axis=1), 1, rtol=1e-5)
    shares = (subsampled > 0).sum(1) / np.diff(checkerboard.indptr)
    assert shares.mean() == pytest.approx(0.75, abs=0.02)
    assert shares.min() < 0.6
    assert shares.max() > 0.9


def test_a_subsample_without_items_is_embedded_as_no_history() -> None:
    model = shows_its_input(dropout=0.5)
    one_each = csr_array(np.eye(40, dtype=np.float32))
    subsampled = model.embed_subsampled(one_each, torch.Generator().manual_seed(0))
    assert np.isfinite(subsampled).all()
    assert 0 < (subsampled == 0).all(1).sum() < 40


def quantized(ema_targets: Literal["dropout", "clean", "parts"] = "clean") -> AutoEncoder:
    rules = Rules(0.4, 0.9, 0.25, 0.05, learn_scores=False, ema_targets=ema_targets)
    return initialised(AutoEncoder(40, [8], 0.5, Bottleneck(ProductScheme(8, 4, rotation=False), rules)))


def starting_vectors(model: AutoEncoder, train: csr_array, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The vectors that codebooks are fitted on."""
    handed_over: list[np.ndarray] = []
    assert model.bottleneck is not None
    monkeypatch.setattr(model.bottleneck, "start", lambda vectors, *_: handed_over.append(vectors))
    model.start_codebooks(train, 0, 60, torch.Generator().manual_seed(0))
    return handed_over[0]


def test_codebooks_start_from_embeddings_without_dropout(
    checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quantized("clean")
    vectors = starting_vectors(model, checkerboard, monkeypatch)
    np.testing.assert_allclose(np.sort(vectors, axis=0), np.sort(model.embed(checkerboard), axis=0), atol=1e-6)


def test_codebooks_start_from_four_subsamples_of_each_history_where_they_follow_those(
    checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(starting_vectors(quantized("parts"), checkerboard, monkeypatch)) == 4 * checkerboard.shape[0]


@pytest.mark.parametrize("ema_targets", ["clean", "parts"])
def test_codebooks_start_from_no_more_vectors_than_kmeans_takes(
    ema_targets: Literal["clean", "parts"], checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "VECTORS_TO_START", 100)
    assert len(starting_vectors(quantized(ema_targets), checkerboard, monkeypatch)) == 100


def test_codebooks_are_fitted_on_parts_of_every_history_however_many_there_are(
    checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shows_its_input(dropout=0.5)
    assert len(model.embed_parts(checkerboard, torch.Generator().manual_seed(0))) == 4 * checkerboard.shape[0]
    monkeypatch.setattr(autoencoder, "VECTORS_TO_START", 100)
    assert len(model.embed_parts(checkerboard, torch.Generator().manual_seed(0))) == checkerboard.shape[0]


def test_a_model_without_bottleneck_has_no_float_share() -> None:
    assert AutoEncoder(40, [8], dropout=0.5).float_share is None
    assert quantized().float_share == 0.4


def test_first_weights_are_glorot_uniform_and_biases_near_zero() -> None:
    model = initialised(AutoEncoder(400, [100], dropout=0.5))
    limit = math.sqrt(6 / (400 + 100))
    for weights in (model.input_weight, model.output.weight):
        assert 0.99 * limit < weights.abs().max() <= limit
        assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert model.output.bias.abs().max() <= 0.002


def test_nothing_is_drawn_from_torchs_global_generator(checkerboard: csr_array) -> None:
    before = torch.get_rng_state()
    model = initialised(AutoEncoder(40, [8, 3], dropout=0.5))
    loss_of(model, SparseRows(checkerboard, torch.device("cpu")).all(), 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
