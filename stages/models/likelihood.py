"""The multinomial likelihood over all items, and its gradients, in blocks of users."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stages.interfaces.batches import Blocks, UserItems, users_at_once
from stages.models.shard import AllItems, LogNormaliser


class Losses(NamedTuple):
    """Means over the users of a batch, float32 ()."""

    total: Tensor
    """The loss that is minimised."""
    likelihood: Tensor
    """Negative log-likelihood of the users' items, the part that can be compared between epochs and models."""


@dataclass(frozen=True)
class SoftTarget:
    """Probabilities that replace the items as the target (distillation: Hinton et al. 2015)."""

    hidden: Tensor
    """float32 (n_users, d), last hidden layer for the same users, from which they are computed."""
    output: nn.Linear
    """d → n_items, whose softmax they are."""


class MultinomialLoss:
    """Mean over users of −Σ log-softmax of their items, from an output layer (Liang et al. 2018, equation 2).

    The logits of all users are never held at once. The forward pass computes logits, softmax, loss and all gradients of
    one block of users before it goes to the next block.

    Parameters
    ----------
    output : layer d → this process's items, already on its final device
    precision : dtype of a block's logits, softmax and gradients, and of the factors of their products; sums over
        blocks are float32
    shard : which items these are; None for all
    """

    def __init__(self, output: nn.Linear, precision: torch.dtype, shard: AllItems | None = None) -> None:
        self.output = output
        self.precision = precision
        self.shard = shard or AllItems(output.out_features)
        self.blocks = Blocks(users_at_once(self.shard.most_own * precision.itemsize, output.weight.device))

    def draw(self, generator: torch.Generator) -> None:
        """Nothing: all items count, and no sample of them."""

    def __call__(self, hidden: Tensor, batch: UserItems, soft: SoftTarget | None = None) -> Tensor:
        """The loss, float32 ().

        Parameters
        ----------
        hidden : float32 (n_users, d), input of the output layer
        batch : the users' items, each at most once
        soft : target probabilities, which replace a user's items and are weighted by their number; or None

        Raises
        ------
        UserError
            where the device has too little memory for the logits of one user.
        """
        own, _ = self.shard.own(batch)
        loss: Tensor = _MultinomialLoss.apply(
            hidden, self.output.weight, self.output.bias, own, soft, self.shard, self.precision, self.blocks
        )
        return loss


class _MultinomialLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        batch: UserItems,
        soft: SoftTarget | None,
        shard: AllItems,
        precision: torch.dtype,
        blocks: Blocks,
    ) -> Tensor:
        """The loss; its gradients are computed with it, and saved for `backward`."""
        n_users = len(hidden)
        narrow = weight.to(precision), bias.to(precision)
        narrow_soft = (soft.output.weight.to(precision), soft.output.bias.to(precision)) if soft else None

        def block(start: int, end: int) -> tuple[Tensor, ...]:
            probabilities = None
            if soft and narrow_soft:
                probabilities, _ = shard.softmax(_logits(soft.hidden[start:end], *narrow_soft))
            return _block(hidden[start:end], *narrow, batch.block(start, end), n_users, probabilities, shard)

        of_hidden: list[Tensor] = []
        sums: list[Tensor] = []  # of loss, gradient of weight, gradient of bias
        for grad_hidden, *summands in blocks.run(block, n_users):
            of_hidden.append(grad_hidden)
            if not sums:
                sums = [summand.float() for summand in summands]
            else:
                for total, summand in zip(sums, summands, strict=True):
                    total += summand
        loss, grad_weight, grad_bias = sums
        ctx.save_for_backward(shard.add_up(torch.cat(of_hidden)), grad_weight, grad_bias)
        return shard.add_up(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of hidden, weight and bias."""
        return *(grad * grad_loss for grad in ctx.saved_tensors), None, None, None, None, None


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias, hidden.to(weight.dtype), weight.T)  # (users, n_items)


def _block(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    batch: UserItems,
    n_users: int,
    soft: Tensor | None,
    shard: AllItems,
) -> tuple[Tensor, ...]:
    """Terms of one block in the mean over `n_users`: gradient of hidden, loss, gradients of weight and of bias.

    soft : (users, n_items), target probabilities in place of the items, or None
    """
    # The gradient of a user's logits is (length · softmax − target) / n_users. The matrix here is softmax − target /
    # length, and its much smaller factors are scaled by length / n_users instead.
    scale = batch.lengths[:, None] / n_users
    logits = _logits(hidden, weight, bias)
    softmax, log_normaliser = shard.softmax(logits)
    if soft is None:
        loss = -_subtract_items(softmax, logits, batch, log_normaliser).sum() / n_users
    else:
        expected = torch.linalg.vecdot(soft, logits).float()  # (users,)
        own_share = log_normaliser() / shard.n_processes
        loss = ((own_share - expected) * scale[:, 0]).sum()
        softmax -= soft
    grad_weight = softmax.T @ (hidden * scale).to(weight.dtype)
    grad_bias = softmax.T @ scale[:, 0].to(weight.dtype)
    return (softmax @ weight) * scale, loss, grad_weight, grad_bias


def _subtract_items(softmax: Tensor, logits: Tensor, batch: UserItems, log_normaliser: LogNormaliser) -> Tensor:
    """Subtract items / length from the softmax, in place, and return the log-likelihood of each interaction."""
    positions = batch.users * softmax.shape[1] + batch.items
    likelihood = softmax.view(-1)[positions].float()
    log_likelihood = likelihood.log()
    hopeless = likelihood < torch.finfo(torch.float32).tiny  # underflow: its logarithm is inexact
    if softmax.device.type != "cpu" or hopeless.any():  # to ask a GPU would take longer than to do it
        exact = logits.view(-1)[positions].float() - log_normaliser()[batch.users]
        log_likelihood = torch.where(hopeless, exact, log_likelihood)
    softmax.view(-1)[positions] = (likelihood - 1 / batch.lengths[batch.users]).to(softmax.dtype)
    return log_likelihood
