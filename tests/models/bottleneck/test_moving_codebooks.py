"""One step of the moving averages against values computed by hand."""

import pytest
import torch

from stages.codebooks.clustering import CODES
from stages.models.bottleneck.moving_codebooks import MovingCodebooks

TARGETS = torch.tensor([[[0.2], [10.4]], [[0.4], [7.0]], [[3.3], [10.1]]])  # (users, codebooks, width of a code)
CODES_OF_TARGETS = torch.tensor([[0, 10], [0, 7], [3, 10]])


def moving_codebooks(decay: float = 0.9, dead_code_share: float = 0.0) -> MovingCodebooks:
    """Two codebooks of one number, whose codes are 0, 1, … 255, each used by two vectors a step."""
    module = MovingCodebooks((2, CODES, 1), decay, dead_code_share)
    module.codebooks.copy_(torch.arange(CODES, dtype=torch.float32)[:, None].expand(2, CODES, 1))
    module.start(torch.full((2, CODES), 2.0))
    return module


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_uses_are_counted_by_codebook() -> None:
    count = moving_codebooks().count(CODES_OF_TARGETS)
    assert count.nonzero().tolist() == [[0, 0], [0, 3], [1, 7], [1, 10]]
    assert count[count > 0].tolist() == [2, 1, 1, 2]


def test_moving_averages_after_one_step() -> None:
    module = moving_codebooks(decay=0.9)
    module.update(TARGETS, CODES_OF_TARGETS, generator())
    # Code 0 of chunk 0 had 0.2 and 0.4: count 0.9·2 + 0.1·2, sum 0.9·0 + 0.1·0.6.
    assert module.ema_count[0, 0].item() == pytest.approx(2.0)
    assert module.ema_sum[0, 0].item() == pytest.approx(0.06)
    assert module.codebooks[0, 0].item() == pytest.approx(0.06 / 2.0, rel=1e-4)
    # Code 3 had 3.3 once: count 0.9·2 + 0.1·1, sum 0.9·6 + 0.1·3.3.
    assert module.ema_count[0, 3].item() == pytest.approx(1.9)
    assert module.codebooks[0, 3].item() == pytest.approx((0.9 * 6 + 0.33) / 1.9, rel=1e-4)
    # Code 5 had nothing: it stays where it is, with a lower count.
    assert module.ema_count[0, 5].item() == pytest.approx(1.8)
    assert module.codebooks[0, 5].item() == pytest.approx(5.0, rel=1e-4)


def test_a_dead_code_moves_onto_a_vector_of_the_batch_in_all_three_buffers() -> None:
    module = moving_codebooks(dead_code_share=0.05)
    module.ema_count[0, 200] = 0.01
    module.ema_sum[0, 200] = 2.0
    module.update(TARGETS, CODES_OF_TARGETS, generator())
    average = module.ema_count[0].mean().item()
    moved = module.codebooks[0, 200].item()
    assert moved in TARGETS[:, 0, 0].tolist()
    assert module.ema_count[0, 200].item() == pytest.approx(average, rel=0.02)
    assert (module.ema_sum / module.ema_count[..., None])[0, 200].item() == pytest.approx(moved)


def test_a_code_that_is_used_enough_stays() -> None:
    module = moving_codebooks(dead_code_share=0.05)
    module.update(TARGETS, CODES_OF_TARGETS, generator())
    torch.testing.assert_close(module.codebooks[1, 20:], moving_codebooks().codebooks[1, 20:])
