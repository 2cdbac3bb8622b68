"""The multinomial likelihood over all items with its gradients, in blocks of users."""

from typing import Any

import torch
from torch import Tensor, nn

from stages.models.memory import Blocks, users_at_once
from stages.models.recommender import UserItems


class MultinomialLoss:
    """Mean over users of −Σ log-softmax of their items, from an output layer (Liang et al. 2018, equation 2).

    The logits of all users and items are never kept: a block of users goes from logits to softmax to its share of the
    loss and of all gradients, all of it in the forward pass, before the next block comes.

    Parameters
    ----------
    output : d → n_items, on the device where it stays
    precision : of a block's logits, softmax and gradients, and of what they are multiplied with; blocks are summed in
        float32
    """

    def __init__(self, output: nn.Linear, precision: torch.dtype) -> None:
        self.output = output
        self.precision = precision
        self.blocks = Blocks(users_at_once(output.out_features * precision.itemsize, output.weight.device))

    def __call__(self, hidden: Tensor, batch: UserItems) -> Tensor:
        """float32 ().

        Parameters
        ----------
        hidden : float32 (n_users, d), the output layer's input
        batch : the users' items, each at most once

        Raises
        ------
        UserError
            where the device has no memory for the logits of one user.
        """
        loss: Tensor = _MultinomialLoss.apply(
            hidden, self.output.weight, self.output.bias, batch, self.precision, self.blocks
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
        precision: torch.dtype,
        blocks: Blocks,
    ) -> Tensor:
        n_users = len(hidden)
        narrow_weight, narrow_bias = weight.to(precision), bias.to(precision)

        def block(start: int, end: int) -> tuple[Tensor, ...]:
            return _block(hidden[start:end], narrow_weight, narrow_bias, batch.part(start, end), n_users)

        of_hidden: list[Tensor] = []
        sums: list[Tensor] = []  # loss, gradients of weight and bias
        for grad_hidden, *summands in blocks.run(block, n_users):
            of_hidden.append(grad_hidden)
            if not sums:
                sums = [summand.float() for summand in summands]
            else:
                for total, summand in zip(sums, summands, strict=True):
                    total += summand
        loss, grad_weight, grad_bias = sums
        ctx.save_for_backward(torch.cat(of_hidden), grad_weight, grad_bias)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        return *(grad * grad_loss for grad in ctx.saved_tensors), None, None, None


def _block(hidden: Tensor, weight: Tensor, bias: Tensor, batch: UserItems, n_users: int) -> tuple[Tensor, ...]:
    """What a block gives of the mean over `n_users`: gradient of hidden; loss, gradients of weight and bias."""
    # The gradient of a user's logits is length · softmax − items, over n_users. Here it stays softmax − items / length,
    # and what it is multiplied with is scaled instead, which is so much smaller.
    scale = batch.lengths[:, None] / n_users
    logits = torch.addmm(bias, hidden.to(weight.dtype), weight.T)  # (users, n_items)
    softmax = logits.softmax(1)
    positions = batch.users * len(weight) + batch.items
    likelihood = softmax.view(-1)[positions].float()
    log_likelihood = likelihood.log()
    hopeless = likelihood < torch.finfo(torch.float32).tiny  # too small for its logarithm
    if hopeless.any():
        users, user = batch.users[hopeless].unique(return_inverse=True)
        normaliser = logits[users].float().logsumexp(1)[user]
        log_likelihood[hopeless] = logits.view(-1)[positions[hopeless]].float() - normaliser
    softmax.view(-1)[positions] = (likelihood - 1 / batch.lengths[batch.users]).to(weight.dtype)
    grad_weight = softmax.T @ (hidden * scale).to(weight.dtype)
    grad_bias = softmax.T @ scale[:, 0].to(weight.dtype)
    return (softmax @ weight) * scale, -log_likelihood.sum() / n_users, grad_weight, grad_bias
