"""The loss in blocks against the plain dense one, with its gradients."""

import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.interfaces.batches import SparseRows, UserItems
from stages.models.likelihood import MultinomialLoss, SoftTarget

WIDTH = 8


@pytest.fixture
def output(checkerboard: csr_array) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(WIDTH, checkerboard.shape[1])


@pytest.fixture
def hidden(checkerboard: csr_array) -> Tensor:
    return torch.randn(checkerboard.shape[0], WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def batch(checkerboard: csr_array) -> UserItems:
    return SparseRows(checkerboard, torch.device("cpu")).all()


def with_gradients(loss: Tensor, hidden: Tensor, output: nn.Linear) -> tuple[Tensor, ...]:
    return loss.detach(), *torch.autograd.grad(loss, [hidden, output.weight, output.bias])


def dense(hidden: Tensor, output: nn.Linear, users: csr_array) -> tuple[Tensor, ...]:
    loss = -(torch.from_numpy(users.toarray()) * output(hidden).log_softmax(1)).sum(1).mean()
    return with_gradients(loss, hidden, output)


@pytest.mark.parametrize("most_users", [1, 7, 300, 1000])
def test_loss_and_gradients_are_the_dense_ones_in_blocks_of_any_size(
    most_users: int, hidden: Tensor, output: nn.Linear, batch: UserItems, checkerboard: csr_array
) -> None:
    likelihood = MultinomialLoss(output, torch.float32)
    likelihood.blocks.most_users = most_users
    ours = with_gradients(likelihood(hidden, batch), hidden, output)
    for found, expected in zip(ours, dense(hidden, output, checkerboard), strict=True):
        torch.testing.assert_close(found, expected)


def test_probabilities_can_take_the_items_place(
    hidden: Tensor, output: nn.Linear, batch: UserItems, checkerboard: csr_array
) -> None:
    other = nn.Linear(WIDTH, checkerboard.shape[1])
    lengths = torch.from_numpy(checkerboard.sum(axis=1))[:, None]
    target = lengths * other(hidden).detach().softmax(1)
    expected = with_gradients(-(target * output(hidden).log_softmax(1)).sum(1).mean(), hidden, output)
    likelihood = MultinomialLoss(output, torch.float32)
    likelihood.blocks.most_users = 7
    soft = SoftTarget(hidden.detach(), other)
    for found, wanted in zip(with_gradients(likelihood(hidden, batch, soft), hidden, output), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_what_follows_the_loss_scales_its_gradients(
    hidden: Tensor, output: nn.Linear, batch: UserItems, checkerboard: csr_array
) -> None:
    loss = MultinomialLoss(output, torch.float32)(hidden, batch)
    ours = torch.autograd.grad(3 * loss, [hidden, output.weight, output.bias])
    for found, expected in zip(ours, dense(hidden, output, checkerboard)[1:], strict=True):
        torch.testing.assert_close(found, 3 * expected)


def test_bfloat16_is_as_near_as_its_8_bits(
    hidden: Tensor, output: nn.Linear, batch: UserItems, checkerboard: csr_array
) -> None:
    likelihood = MultinomialLoss(output, torch.bfloat16)
    likelihood.blocks.most_users = 100
    ours = with_gradients(likelihood(hidden, batch), hidden, output)
    for found, expected in zip(ours, dense(hidden, output, checkerboard), strict=True):
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 0.01 * expected.norm()


def test_a_user_without_items_adds_nothing(output: nn.Linear) -> None:
    users = csr_array(torch.eye(2, output.out_features).numpy() * [[1.0], [0.0]])
    hidden = torch.ones(2, WIDTH, requires_grad=True)
    loss = MultinomialLoss(output, torch.float32)(hidden, SparseRows(users, torch.device("cpu")).all())
    (gradient,) = torch.autograd.grad(loss, [hidden])
    assert bool(torch.isfinite(loss))
    assert gradient[0].count_nonzero() > 0
    assert gradient[1].count_nonzero() == 0


@pytest.mark.parametrize("factor", [10.0, 1000.0])
def test_likelihoods_too_small_for_a_float_count_in_full(
    factor: float, hidden: Tensor, output: nn.Linear, batch: UserItems, checkerboard: csr_array
) -> None:
    with torch.no_grad():
        output.weight *= factor
    ours = with_gradients(MultinomialLoss(output, torch.float32)(hidden, batch), hidden, output)
    for found, expected in zip(ours, dense(hidden, output, checkerboard), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * factor)


def test_logits_that_are_no_numbers_are_seen_in_the_loss(hidden: Tensor, output: nn.Linear, batch: UserItems) -> None:
    with torch.no_grad():
        output.bias[0] = torch.nan
    assert bool(torch.isnan(MultinomialLoss(output, torch.float32)(hidden, batch)))
