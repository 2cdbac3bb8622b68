"""The quantized bottleneck against values computed by hand, and against the codec that it gives."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from stages.codebooks.clustering import CODES
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.models.bottleneck.residual import ResidualScheme
from stages.models.bottleneck.scheme import Scheme


def rules(ema_decay: float = 0.9) -> Rules:
    return Rules(0.5, ema_decay, 0.25, dead_code_share=0.0, learn_scores=False, ema_targets="clean")


def bottleneck(ema_decay: float = 0.9) -> Bottleneck:
    """Two chunks of one number each, whose codes are 0, 1, … 255, each used by two vectors a step."""
    module = Bottleneck(ProductScheme(2, 2, rotation=False), rules(ema_decay))
    module.moving.codebooks.copy_(torch.arange(CODES, dtype=torch.float32)[:, None].expand(2, CODES, 1))
    module.moving.start(torch.full((2, CODES), 2.0))
    module.mark_started()
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


def test_the_step_quantizes_with_the_codebooks_from_before_it() -> None:
    module = bottleneck(ema_decay=0.0)
    quantized, _ = module(VECTORS, VECTORS, generator())
    assert quantized[2, 0].item() == 3.0
    assert module.moving.codebooks[0, 3].item() == pytest.approx(3.3, rel=1e-3)


def test_nothing_moves_outside_training() -> None:
    module = bottleneck().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(VECTORS, VECTORS, generator())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_vectors_pass_unchanged_until_codebooks_are_there() -> None:
    module = Bottleneck(ProductScheme(2, 2, rotation=False), rules()).train()
    quantized, loss = module(VECTORS, VECTORS, generator())
    assert torch.equal(quantized, VECTORS)
    assert loss.item() == 0


def test_codebooks_follow_their_targets_not_the_vectors_that_are_quantized() -> None:
    module = bottleneck(ema_decay=0.0)
    quantized, _ = module(VECTORS, VECTORS + 100, generator())
    assert quantized[2, 0].item() == 3.0
    assert module.moving.codebooks[0, 103].item() == pytest.approx(103.3, rel=1e-3)


def test_residual_codebooks_move_towards_what_is_left() -> None:
    module = Bottleneck(ResidualScheme(1, 2, beam=1, training_beam=1, metric="euclidean"), rules()).train()
    module.moving.codebooks.fill_(1000.0)
    module.moving.codebooks[:, :2, 0] = torch.tensor([[0.0, 10.0], [-1.0, 1.0]])
    module.moving.start(torch.full((2, CODES), 2.0))
    module.mark_started()
    vector = torch.tensor([[11.5]])
    module(vector, vector, generator())
    # Count 0.9·2 + 0.1·1; sums 0.9·20 + 0.1·11.5 of the whole, and 0.9·2 + 0.1·1.5 of what 10 leaves.
    assert module.moving.codebooks[0, 1].item() == pytest.approx((18 + 1.15) / 1.9, rel=1e-4)
    assert module.moving.codebooks[1, 1].item() == pytest.approx((1.8 + 0.15) / 1.9, rel=1e-4)


DRAWS = np.random.default_rng(0)
MANY = DRAWS.normal(size=(3000, 12)).astype(np.float32)
OUTPUT = nn.Linear(12, 30)


def build(name: str) -> Bottleneck:
    """A started bottleneck of each kind, for vectors of 12 dimensions."""
    family, _, option = name.partition(", ")
    scheme: Scheme
    if family == "product":
        scheme = ProductScheme(12, 3, rotation=option == "rotated")
    else:
        beam = 3 if option == "beam" else 1
        scheme = ResidualScheme(12, 4, beam, beam, "decoder" if option == "decoder's metric" else "euclidean")
    module = Bottleneck(scheme, rules())
    module.start(MANY, OUTPUT, seed=0, batch_size=60)
    return module


NAMES = ["product", "product, rotated", "residual", "residual, beam", "residual, decoder's metric"]


@pytest.fixture(params=NAMES, scope="module")
def started(request: pytest.FixtureRequest) -> Bottleneck:
    return build(str(request.param))


def test_start_counts_how_often_each_code_is_used_a_step(started: Bottleneck) -> None:
    count = started.moving.ema_count
    torch.testing.assert_close(count.sum(1), torch.full((len(count),), 60.0))


def test_start_leaves_the_codebooks_where_their_averages_are(started: Bottleneck) -> None:
    moving = started.moving
    torch.testing.assert_close(moving.ema_sum, moving.codebooks * moving.ema_count[..., None])


def test_start_leaves_less_than_half_of_the_variance(started: Bottleneck) -> None:
    quantized, _ = copy.deepcopy(started).eval()(torch.from_numpy(MANY), torch.from_numpy(MANY), generator())
    assert (quantized - torch.from_numpy(MANY)).square().sum() < 0.5 * MANY.var() * MANY.size


def test_it_encodes_as_its_codec_does(started: Bottleneck) -> None:
    codec = started.codec()
    codes = started.encode(torch.from_numpy(MANY))
    assert (codec.encode(MANY) == codes.numpy()).mean() > 0.999  # but for ties of rounding


def test_it_decodes_as_its_codec_does(started: Bottleneck) -> None:
    codec = started.codec()
    codes = codec.encode(MANY)
    decoded = started.decode(torch.from_numpy(codes.astype(np.int64)))
    np.testing.assert_allclose(codec.decode(codes), decoded, atol=1e-4)


def test_starting_twice_gives_the_same_bits(started: Bottleneck, request: pytest.FixtureRequest) -> None:
    again = build(request.node.callspec.params["started"])
    for name, value in started.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_training_decodes_prefixes_of_residual_codes_and_all_else_whole_codes() -> None:
    module = build("residual")
    vectors = torch.from_numpy(MANY)
    in_training, _ = copy.deepcopy(module).train()(vectors, vectors, generator())
    after, _ = module.eval()(vectors, vectors, generator())
    uncut = (in_training == after).all(1).float().mean().item()
    assert uncut == pytest.approx(7 / 16, abs=0.03)  # a quarter, and a quarter of the others
