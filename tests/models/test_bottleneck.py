"""The quantized bottleneck against values computed by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.models.bottleneck import ProductBottleneck
from stages.quantizers.product import CODES, ProductCodec


def bottleneck(ema_decay: float = 0.9, dead_code_share: float = 0.0) -> ProductBottleneck:
    """Two chunks of one dimension; code k of both codebooks is the number k, each used twice a step."""
    module = ProductBottleneck(2, 2, 0.0, ema_decay, commitment=0.25, dead_code_share=dead_code_share)
    module.codebooks.copy_(torch.arange(CODES, dtype=torch.float32)[:, None].expand(2, CODES, 1))
    module.ema_count.fill_(2.0)
    module.ema_sum.copy_(module.codebooks * 2.0)
    module.started.fill_(True)
    return module.train()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


VECTORS = torch.tensor([[0.2, 10.4], [0.4, 7.0], [3.3, 10.1]])


def test_each_chunk_becomes_its_nearest_code() -> None:
    quantized, _ = bottleneck()(VECTORS, generator())
    torch.testing.assert_close(quantized, torch.tensor([[0.0, 10.0], [0.0, 7.0], [3.0, 10.0]]))


def test_the_gradient_goes_straight_through() -> None:
    vectors = VECTORS.clone().requires_grad_()
    quantized, _ = bottleneck()(vectors, generator())
    upstream = torch.tensor([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]])
    (gradient,) = torch.autograd.grad(quantized, vectors, upstream)
    torch.testing.assert_close(gradient, upstream)


def test_the_commitment_loss_pulls_vectors_to_their_codes() -> None:
    vectors = VECTORS.clone().requires_grad_()
    _, loss = bottleneck()(vectors, generator())
    offsets = torch.tensor([[0.2, 0.4], [0.4, 0.0], [0.3, 0.1]])
    torch.testing.assert_close(loss, 0.25 * offsets.square().sum(1).mean())
    (gradient,) = torch.autograd.grad(loss, vectors)
    torch.testing.assert_close(gradient, 0.25 * 2 * offsets / 3)


def test_moving_averages_after_one_step() -> None:
    module = bottleneck(ema_decay=0.9)
    module(VECTORS, generator())
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


def test_the_step_quantizes_with_the_codebooks_from_before_it() -> None:
    module = bottleneck(ema_decay=0.0)
    quantized, _ = module(VECTORS, generator())
    assert quantized[2, 0].item() == 3.0
    assert module.codebooks[0, 3].item() == pytest.approx(3.3, rel=1e-3)


def test_a_dead_code_moves_onto_a_vector_of_the_batch_in_all_three_buffers() -> None:
    module = bottleneck(dead_code_share=0.05)
    module.ema_count[0, 200] = 0.01
    module.ema_sum[0, 200] = 2.0
    module(VECTORS, generator())
    average = module.ema_count[0].mean().item()
    moved = module.codebooks[0, 200].item()
    assert moved in VECTORS[:, 0].tolist()
    assert module.ema_count[0, 200].item() == pytest.approx(average, rel=0.02)
    assert (module.ema_sum / module.ema_count[..., None])[0, 200].item() == pytest.approx(moved)


def test_a_code_that_is_used_enough_stays() -> None:
    module = bottleneck(dead_code_share=0.05)
    module(VECTORS, generator())
    torch.testing.assert_close(module.codebooks[1, 20:], bottleneck().codebooks[1, 20:])


def test_nothing_moves_outside_training() -> None:
    module = bottleneck().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(VECTORS, generator())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_vectors_pass_unchanged_until_codebooks_are_there() -> None:
    module = ProductBottleneck(2, 2, 0.5, 0.9, 0.25, 0.05).train()
    quantized, loss = module(VECTORS, generator())
    assert torch.equal(quantized, VECTORS)
    assert loss.item() == 0


def test_start_counts_how_often_each_code_is_used_a_step() -> None:
    module = ProductBottleneck(2, 2, 0.5, 0.9, 0.25, 0.05)
    module.start(bottleneck().codebooks, VECTORS, batch_size=30)
    assert module.ema_count[0, [0, 3, 5]].tolist() == [20.0, 10.0, 0.0]
    torch.testing.assert_close(module.ema_sum[0, 3], torch.tensor([30.0]))


def test_it_encodes_as_its_codec_does() -> None:
    draws = np.random.default_rng(0)
    module = ProductBottleneck(12, 3, 0.0, 0.9, 0.25, 0.05)
    module.codebooks.copy_(torch.from_numpy(draws.normal(size=(3, CODES, 4)).astype(np.float32)))
    vectors = draws.normal(size=(200, 12)).astype(np.float32)
    codes: Tensor = module.encode(torch.from_numpy(vectors))
    codec = ProductCodec(module.codebooks.numpy())
    np.testing.assert_array_equal(codec.encode(vectors), codes)
    np.testing.assert_allclose(codec.decode(codec.encode(vectors)), module.decode(codes))
