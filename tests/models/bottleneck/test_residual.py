"""Residual codes of codebooks that are small enough to search by heart."""

import pytest
import torch
from torch import Tensor

from stages.codebooks.clustering import CODES
from stages.config.model import ResidualBottleneckSettings
from stages.models.bottleneck.residual import ResidualScheme, build


def residual(n_codebooks: int, beam: int = 1, training_beam: int = 1) -> ResidualScheme:
    return ResidualScheme(1, n_codebooks, beam, training_beam, "euclidean")


def filled(codebooks: list[list[float]]) -> Tensor:
    """One-dimensional codebooks that begin with these codes; the others are far away."""
    tensor = torch.full((len(codebooks), CODES, 1), 1000.0)
    for codebook, codes in zip(tensor, codebooks, strict=True):
        codebook[: len(codes), 0] = torch.tensor(codes)
    return tensor


THREE = filled([[0.0, 10.0], [-1.0, 1.0], [0.0, 0.25]])
GREEDY_TRAP = filled([[0.0, 3.0], [-0.9, 2.0]])  # of 2.05: greedy takes 3 first, and −0.9; 0 and 2 are nearer


def test_each_codebook_takes_what_the_ones_before_have_left() -> None:
    codes = residual(3).encode(THREE, torch.tensor([[11.3], [-0.9]]))
    assert codes.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_code_decodes_to_the_sum_of_its_codes() -> None:
    assert residual(3).decode(THREE, torch.tensor([[1, 1, 1], [0, 0, 0]]))[:, 0].tolist() == [11.25, -1.0]


def test_a_beam_finds_a_sum_that_the_greedy_encoder_misses() -> None:
    vector = torch.tensor([[2.05]])
    greedy, beam = residual(2), residual(2, beam=2)
    assert greedy.decode(GREEDY_TRAP, greedy.encode(GREEDY_TRAP, vector)).item() == pytest.approx(2.1)
    assert beam.decode(GREEDY_TRAP, beam.encode(GREEDY_TRAP, vector)).item() == pytest.approx(2.0)


def test_training_has_a_beam_of_its_own() -> None:
    scheme, vector = residual(2, beam=2, training_beam=1), torch.tensor([[2.05]])
    assert scheme.encode(GREEDY_TRAP, vector, training=True).tolist() == [[1, 0]]
    assert scheme.encode(GREEDY_TRAP, vector, training=False).tolist() == [[0, 1]]


def test_the_targets_are_what_the_codebooks_before_have_left() -> None:
    vectors = torch.tensor([[11.5]])
    targets = residual(3).targets(THREE, vectors, torch.tensor([[1, 1, 1]]))
    assert targets[..., 0].tolist() == [[11.5, 1.5, 0.5]]


def test_the_scheme_is_that_of_its_entry() -> None:
    settings = ResidualBottleneckSettings(
        kind="residual", bytes=[20, 5], beam=5, training_beam=2, metric="decoder", start=0.8, ema_decay=0.99,
        commitment=0.25, dead_code_share=0.05, target="scores", follow="parts",
    )  # fmt: skip
    assert build(settings, 200) == ResidualScheme(200, 20, beam=5, training_beam=2, metric="decoder")
