"""Prefixes of residual codes: how long they are, and what they decode to."""

import pytest
import torch

from stages.models.bottleneck.prefixes import decode_prefixes, draw_lengths

CODEBOOKS = torch.tensor([[[0.0], [10.0]], [[-1.0], [1.0]], [[0.0], [0.25]]])  # (codebooks, codes, width)


def test_a_prefix_of_a_residual_code_decodes_alone() -> None:
    codes = torch.ones(4, 3, dtype=torch.int64)
    prefixes = decode_prefixes(CODEBOOKS, codes, torch.tensor([0, 1, 2, 3]))
    assert prefixes[:, 0].tolist() == [0.0, 10.0, 11.0, 11.25]


def test_codes_are_cut_at_every_length_alike_and_a_quarter_more_stay_whole() -> None:
    lengths = draw_lengths(10_000, 4, torch.Generator().manual_seed(0), torch.device("cpu"))
    shares = torch.bincount(lengths, minlength=5) / 10_000
    assert shares.tolist() == pytest.approx([0, 3 / 16, 3 / 16, 3 / 16, 7 / 16], abs=0.02)
