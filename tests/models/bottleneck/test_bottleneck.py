"""The quantized bottleneck against values computed by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from stages.codebooks.clustering import CODES
from stages.models.bottleneck.bottleneck import Bottleneck, ProductBottleneck, ResidualBottleneck, Rules


def rules(ema_decay: float = 0.9, dead_code_share: float = 0.0) -> Rules:
    return Rules(0.5, ema_decay, 0.25, dead_code_share, learn_scores=False, follow="clean")


def bottleneck(ema_decay: float = 0.9, dead_code_share: float = 0.0) -> ProductBottleneck:
    """Two chunks of one number each, whose codes are 0, 1, … 255, each used by two vectors a step."""
    module = ProductBottleneck(2, 2, rules(ema_decay, dead_code_share), rotation=False)
    module.codebooks.copy_(torch.arange(CODES, dtype=torch.float32)[:, None].expand(2, CODES, 1))
    module.ema_count.fill_(2.0)
    module.ema_sum.copy_(module.codebooks * 2.0)
    module.started.fill_(True)
    return module.train()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


VECTORS = torch.tensor([[0.2, 10.4], [0.4, 7.0], [3.3, 10.1]])


def test_each_chunk_becomes_its_nearest_code() -> None:
    quantized, _ = bottleneck()(VECTORS, VECTORS, generator())
    torch.testing.assert_close(quantized, torch.tensor([[0.0, 10.0], [0.0, 7.0], [3.0, 10.0]]))


def test_the_gradient_goes_straight_through() -> None:
    vectors = VECTORS.clone().requires_grad_()
    quantized, _ = bottleneck()(vectors, vectors, generator())
    upstream = torch.tensor([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]])
    (gradient,) = torch.autograd.grad(quantized, vectors, upstream)
    torch.testing.assert_close(gradient, upstream)


def test_the_commitment_loss_pulls_vectors_to_their_codes() -> None:
    vectors = VECTORS.clone().requires_grad_()
    _, loss = bottleneck()(vectors, vectors, generator())
    offsets = torch.tensor([[0.2, 0.4], [0.4, 0.0], [0.3, 0.1]])
    torch.testing.assert_close(loss, 0.25 * offsets.square().sum(1).mean())
    (gradient,) = torch.autograd.grad(loss, vectors)
    torch.testing.assert_close(gradient, 0.25 * 2 * offsets / 3)


def test_moving_averages_after_one_step() -> None:
    module = bottleneck(ema_decay=0.9)
    module(VECTORS, VECTORS, generator())
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
    quantized, _ = module(VECTORS, VECTORS, generator())
    assert quantized[2, 0].item() == 3.0
    assert module.codebooks[0, 3].item() == pytest.approx(3.3, rel=1e-3)


def test_a_dead_code_moves_onto_a_vector_of_the_batch_in_all_three_buffers() -> None:
    module = bottleneck(dead_code_share=0.05)
    module.ema_count[0, 200] = 0.01
    module.ema_sum[0, 200] = 2.0
    module(VECTORS, VECTORS, generator())
    average = module.ema_count[0].mean().item()
    moved = module.codebooks[0, 200].item()
    assert moved in VECTORS[:, 0].tolist()
    assert module.ema_count[0, 200].item() == pytest.approx(average, rel=0.02)
    assert (module.ema_sum / module.ema_count[..., None])[0, 200].item() == pytest.approx(moved)


def test_a_code_that_is_used_enough_stays() -> None:
    module = bottleneck(dead_code_share=0.05)
    module(VECTORS, VECTORS, generator())
    torch.testing.assert_close(module.codebooks[1, 20:], bottleneck().codebooks[1, 20:])


def test_nothing_moves_outside_training() -> None:
    module = bottleneck().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(VECTORS, VECTORS, generator())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_vectors_pass_unchanged_until_codebooks_are_there() -> None:
    module = ProductBottleneck(2, 2, rules(), rotation=False).train()
    quantized, loss = module(VECTORS, VECTORS, generator())
    assert torch.equal(quantized, VECTORS)
    assert loss.item() == 0


def test_codebooks_follow_the_clean_vectors_not_those_that_are_quantized() -> None:
    module = bottleneck(ema_decay=0.0)
    quantized, _ = module(VECTORS, VECTORS + 100, generator())
    assert quantized[2, 0].item() == 3.0
    assert module.codebooks[0, 103].item() == pytest.approx(103.3, rel=1e-3)


DRAWS = np.random.default_rng(0)
MANY = DRAWS.normal(size=(3000, 12)).astype(np.float32)
OUTPUT = nn.Linear(12, 30)


def build(name: str) -> Bottleneck:
    """A started bottleneck of each kind, for vectors of 12 dimensions."""
    family, _, option = name.partition(", ")
    module: Bottleneck
    if family == "product":
        module = ProductBottleneck(12, 3, rules(), rotation=option == "rotated")
    else:
        beam = 3 if option == "beam" else 1
        module = ResidualBottleneck(12, 4, rules(), beam, beam, metric=option == "decoder's metric")
    module.start(MANY, OUTPUT, seed=0, batch_size=60)
    return module


NAMES = ["product", "product, rotated", "residual", "residual, beam", "residual, decoder's metric"]


@pytest.fixture(params=NAMES, scope="module")
def started(request: pytest.FixtureRequest) -> Bottleneck:
    return build(str(request.param))


def test_start_counts_how_often_each_code_is_used_a_step(started: Bottleneck) -> None:
    torch.testing.assert_close(started.ema_count.sum(1), torch.full((len(started.codebooks),), 60.0))
    torch.testing.assert_close(started.ema_sum, started.codebooks * started.ema_count[..., None])


def test_start_leaves_less_than_half_of_the_variance(started: Bottleneck) -> None:
    quantized, _ = copy.deepcopy(started).eval()(torch.from_numpy(MANY), torch.from_numpy(MANY), generator())
    assert (quantized - torch.from_numpy(MANY)).square().sum() < 0.5 * MANY.var() * MANY.size


def test_it_encodes_as_its_codec_does(started: Bottleneck) -> None:
    codec = started.codec()
    codes = started.encode(started._transformed(torch.from_numpy(MANY)))
    assert (codec.encode(MANY) == codes.numpy()).mean() > 0.999  # but for ties of rounding


def test_it_decodes_as_its_codec_does(started: Bottleneck) -> None:
    codec = started.codec()
    codes = codec.encode(MANY)
    decoded = started.decode(torch.from_numpy(codes.astype(np.int64)))
    if started.back is not None:
        decoded = decoded @ started.back
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=1e-4)


def test_starting_twice_gives_the_same_bits(started: Bottleneck, request: pytest.FixtureRequest) -> None:
    again = build(request.node.callspec.params["started"])
    for name, value in started.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def residual(codebooks: list[list[float]], beam: int = 1) -> ResidualBottleneck:
    """One-dimensional codebooks that begin with these codes; the others are far away."""
    module = ResidualBottleneck(1, len(codebooks), rules(), beam, beam, metric=False)
    module.codebooks.fill_(1000.0)
    for codebook, codes in zip(module.codebooks, codebooks, strict=True):
        codebook[: len(codes), 0] = torch.tensor(codes)
    module.ema_count.fill_(2.0)
    module.ema_sum.copy_(module.codebooks * 2.0)
    module.started.fill_(True)
    return module


def test_each_residual_codebook_takes_what_the_ones_before_have_left() -> None:
    module = residual([[0.0, 10.0], [-1.0, 1.0], [0.0, 0.25]])
    codes = module.encode(torch.tensor([[11.3], [-0.9]]))
    assert codes.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert module.decode(codes)[:, 0].tolist() == [11.25, -1.0]


def test_a_beam_finds_a_sum_that_the_greedy_encoder_misses() -> None:
    codebooks = [[0.0, 3.0], [-0.9, 2.0]]
    vector = torch.tensor([[2.05]])  # greedy takes 3 first, and −0.9; 0 and 2 are nearer
    greedy, beam = residual(codebooks), residual(codebooks, beam=2)
    assert greedy.decode(greedy.encode(vector)).item() == pytest.approx(2.1)
    assert beam.decode(beam.encode(vector)).item() == pytest.approx(2.0)


def test_a_prefix_of_a_residual_code_decodes_alone() -> None:
    module = residual([[0.0, 10.0], [-1.0, 1.0], [0.0, 0.25]])
    codes = module.encode(torch.tensor([[11.3]]).expand(4, 1))
    prefixes = module.decode(codes, torch.tensor([0, 1, 2, 3]))
    assert prefixes[:, 0].tolist() == [0.0, 10.0, 11.0, 11.25]


def test_training_cuts_residual_codes_at_every_length_and_a_quarter_more_stay_whole() -> None:
    lengths = residual([[0.0]] * 4)._lengths(10_000, generator())
    shares = torch.bincount(lengths, minlength=5) / 10_000
    assert shares.tolist() == pytest.approx([0, 3 / 16, 3 / 16, 3 / 16, 7 / 16], abs=0.02)


def test_residual_codebooks_move_towards_what_is_left() -> None:
    module = residual([[0.0, 10.0], [-1.0, 1.0]]).train()
    vector = torch.tensor([[11.5]])
    module(vector, vector, generator())
    # Count 0.9·2 + 0.1·1; sums 0.9·20 + 0.1·11.5 of the whole, and 0.9·2 + 0.1·1.5 of what 10 leaves.
    assert module.codebooks[0, 1].item() == pytest.approx((18 + 1.15) / 1.9, rel=1e-4)
    assert module.codebooks[1, 1].item() == pytest.approx((1.8 + 0.15) / 1.9, rel=1e-4)
