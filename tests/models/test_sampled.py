"""The sampled loss is the whole one where all items are drawn, and is right on average where they are not."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.interfaces.batches import SparseRows, UserItems
from stages.models.likelihood import MultinomialLoss, SoftTarget
from stages.models.sampled import SampledLoss, sample_chances

WIDTH, N_ITEMS = 8, 300


@pytest.fixture
def users() -> csr_array:
    generator = np.random.default_rng(0)
    popularity = 1 / np.arange(1, N_ITEMS + 1)
    rows = [generator.choice(N_ITEMS, 7, replace=False, p=popularity / popularity.sum()) for _ in range(50)]
    return csr_array((np.ones(350, np.float32), np.concatenate(rows), np.arange(0, 351, 7)), shape=(50, N_ITEMS))


@pytest.fixture
def output() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(WIDTH, N_ITEMS)


@pytest.fixture
def hidden() -> Tensor:
    return torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_()


def batch_of(users: csr_array) -> UserItems:
    return SparseRows(users, torch.device("cpu")).all()


def with_gradients(loss: Tensor, hidden: Tensor, output: nn.Linear) -> list[Tensor]:
    return [loss.detach(), *torch.autograd.grad(loss, [hidden, output.weight, output.bias])]


@pytest.mark.parametrize("soft", [False, True])
def test_with_all_items_drawn_it_is_the_whole_loss(
    soft: bool, users: csr_array, hidden: Tensor, output: nn.Linear
) -> None:
    target = SoftTarget(hidden.detach() / 2, nn.Linear(WIDTH, N_ITEMS)) if soft else None
    sampled = SampledLoss(output, np.bincount(users.indices, minlength=N_ITEMS), N_ITEMS)
    sampled.draw(torch.Generator())
    ours = with_gradients(sampled(hidden, batch_of(users), target), hidden, output)
    whole = with_gradients(MultinomialLoss(output, torch.float32)(hidden, batch_of(users), target), hidden, output)
    for found, expected in zip(ours, whole, strict=True):
        torch.testing.assert_close(found, expected)


def test_loss_and_gradients_of_many_samples_are_near_the_whole_ones(
    users: csr_array, hidden: Tensor, output: nn.Linear
) -> None:
    sampled = SampledLoss(output, np.bincount(users.indices, minlength=N_ITEMS), 150)
    generator, sums = torch.Generator().manual_seed(0), []
    for _ in range(1500):
        sampled.draw(generator)
        sums.append(with_gradients(sampled(hidden, batch_of(users)), hidden, output))
    whole = with_gradients(MultinomialLoss(output, torch.float32)(hidden, batch_of(users)), hidden, output)
    for found, expected in zip(zip(*sums, strict=True), whole, strict=True):
        mean = torch.stack(found).mean(0)
        assert (mean - expected).norm() < 0.02 * expected.norm()


def test_an_item_of_the_user_counts_once_whether_it_was_drawn_or_not(
    users: csr_array, hidden: Tensor, output: nn.Linear
) -> None:
    """With no other item in the sample, the softmax is that over the user's own items."""
    sampled = SampledLoss(output, np.ones(N_ITEMS, dtype=np.int64), 10)
    one = users[:1]
    own = torch.from_numpy(one.indices.astype(np.int64))
    expected = -output(hidden[:1])[0, own].log_softmax(0).sum()
    for sample in (own[:0], own[:3], own):
        sampled.sample = sample
        torch.testing.assert_close(sampled(hidden[:1], batch_of(one)), expected)


@pytest.mark.parametrize("n_sampled", [1, 10, 299, 300, 1000])
def test_chances_add_up_to_the_sample_and_follow_the_interactions(n_sampled: int) -> None:
    interactions = np.random.default_rng(0).zipf(1.5, size=300)
    chances = sample_chances(interactions, n_sampled)
    assert chances.sum() == pytest.approx(min(n_sampled, 300), rel=1e-5)
    assert (chances > 0).all()
    assert (chances <= 1).all()
    shares = (chances / interactions)[chances < 1]
    np.testing.assert_allclose(shares, shares[:1].repeat(len(shares)), rtol=1e-5)
