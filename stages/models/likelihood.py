"""The multinomial likelihood over all items with its gradients, in blocks of users."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stages.interfaces.batches import Blocks, users_at_once
from stages.interfaces.recommender import UserItems


@dataclass(frozen=True)
class SoftTarget:
    """Probabilities that take the items' place as the target (distillation: Hinton et al. 2015)."""

    hidden: Tensor
    """float32 (n_users, d), the last hidden layer that they come from, for the same users."""
    output: nn.Linear


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

    def __call__(self, hidden: Tensor, batch: UserItems, soft: SoftTarget | None = None) -> Tensor:
        """float32 ().

        Parameters
        ----------
        hidden : float32 (n_users, d), the output layer's input
        batch : the users' items, each at most once
        soft : in place of a user's items, as many times these probabilities as the user has items

        Raises
        ------
        UserError
            where the device has no memory for the logits of one user.
        """
        loss: Tensor = _MultinomialLoss.apply(
            hidden, self.output.weight, self.output.bias, batch, soft, self.precision, self.blocks
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
        precision: torch.dtype,
        blocks: Blocks,
    ) -> Tensor:
        """The loss, of which all gradients are found as well, and kept for `backward`."""
        n_users = len(hidden)
        narrow = weight.to(precision), bias.to(precision)
        narrow_soft = (soft.output.weight.to(precision), soft.output.bias.to(precision)) if soft else None

        def block(start: int, end: int) -> tuple[Tensor, ...]:
            probabilities = None
            if soft and narrow_soft:
                probabilities = _logits(soft.hidden[start:end], *narrow_soft).softmax(1)
            part = batch.part(start, end)
            return _block(hidden[start:end], *narrow, part, n_users, probabilities)

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
        """Those of hidden, weight and bias."""
        return *(grad * grad_loss for grad in ctx.saved_tensors), None, None, None, None


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.addmm(bias, hidden.to(weight.dtype), weight.T)  # (users, n_items)


def _block(
    hidden: Tensor, weight: Tensor, bias: Tensor, batch: UserItems, n_users: int, soft: Tensor | None
) -> tuple[Tensor, ...]:
    """What a block gives of the mean over `n_users`: gradient of hidden; loss, gradients of weight and bias.

    soft : (users, n_items), probabilities in place of the items
    """
    # The gradient of a user's logits is length · softmax − target, over n_users. Here it is softmax − target / length;
    # what it is multiplied with is scaled instead, which is so much smaller.
    scale = batch.lengths[:, None] / n_users
    logits = _logits(hidden, weight, bias)
    softmax = logits.softmax(1)
    if soft is None:
        loss = -_subtract_items(softmax, logits, batch).sum() / n_users
    else:
        expected = torch.linalg.vecdot(soft, logits).float()  # (users,)
        loss = ((logits.logsumexp(1).float() - expected) * scale[:, 0]).sum()
        softmax -= soft
    grad_weight = softmax.T @ (hidden * scale).to(weight.dtype)
    grad_bias = softmax.T @ scale[:, 0].to(weight.dtype)
    return (softmax @ weight) * scale, loss, grad_weight, grad_bias


def _subtract_items(softmax: Tensor, logits: Tensor, batch: UserItems) -> Tensor:
    """Take items / length from the softmax, in place, and return the log-likelihood of each item."""
    positions = batch.users * softmax.shape[1] + batch.items
    likelihood = softmax.view(-1)[positions].float()
    log_likelihood = likelihood.log()
    hopeless = likelihood < torch.finfo(torch.float32).tiny  # too small for its logarithm
    if hopeless.any():
        users, user = batch.users[hopeless].unique(return_inverse=True)
        normaliser = logits[users].float().logsumexp(1)[user]
        log_likelihood[hopeless] = logits.view(-1)[positions[hopeless]].float() - normaliser
    softmax.view(-1)[positions] = (likelihood - 1 / batch.lengths[batch.users]).to(softmax.dtype)
    return log_likelihood
