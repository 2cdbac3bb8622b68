"""The multinomial likelihood over all items, and its gradients, in blocks of users."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from stages.interfaces.batches import Blocks, UserItems, users_at_once
from stages.models.shard import AllItems

Found = TypeVar("Found")

SETS = 64  # of items, whose sums are added up in float32
ALIGNED_BYTES = 64  # of a row of weights, as products of bfloat16 go by so many
HOPELESS = -1e30  # a logit whose exponential is 0
LARGEST_TOTAL = 1e20  # of exponentials, and 1 / this is the smallest: far from the limits of a float


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
        n_users, width = hidden.shape
        items = _items(weight, bias, precision)
        soft_items = _items(soft.output.weight, soft.output.bias, precision) if soft else None

        def block(start: int, end: int) -> tuple[Tensor, ...]:
            target = None
            if soft is not None and soft_items is not None:
                soft_users = _users(soft.hidden[start:end], soft_items)
                target = _exponentials(soft_users, soft_items, shard, lambda _: None)[:2]
            users = _users(hidden[start:end], items)
            return _block(users, items, batch.block(start, end), n_users, target, shard)

        of_users: list[Tensor] = []
        sums: list[Tensor] = []  # of loss and gradient of items
        for grad_users, *summands in blocks.run(block, n_users):
            of_users.append(grad_users)
            if not sums:
                sums = [summand.float() for summand in summands]
            else:
                for total, summand in zip(sums, summands, strict=True):
                    total += summand
        loss, grad_items = sums
        grad_items = grad_items[: len(weight)]
        grad_hidden = shard.add_up(torch.cat(of_users)[:, :width].contiguous())
        ctx.save_for_backward(grad_hidden, grad_items[:, :width], grad_items[:, width])
        return shard.add_up(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of hidden, weight and bias."""
        return *(grad * grad_loss for grad in ctx.saved_tensors), None, None, None, None, None


# A block is a matrix of items × users, not of users × items: oneDNN's products in bfloat16 take less time so. The
# bias is one more column of the weights, multiplied with 1, so that it and its gradient come with the products.


def _items(weight: Tensor, bias: Tensor, precision: torch.dtype) -> Tensor:
    """Weights and bias of the items in one matrix, with columns of zeros, and rows whose logits are hopeless."""
    (n_items, width), aligned = weight.shape, ALIGNED_BYTES // precision.itemsize
    items = weight.new_zeros(_whole(n_items, SETS), _whole(width + 1, aligned), dtype=precision)
    items[:n_items, :width], items[:n_items, width], items[n_items:, width] = weight, bias, HOPELESS
    return items


def _users(hidden: Tensor, items: Tensor) -> Tensor:
    """The users' last hidden layer, with a column of ones and columns of zeros."""
    users = items.new_zeros(len(hidden), items.shape[1])
    users[:, : hidden.shape[1]], users[:, hidden.shape[1]] = hidden, 1.0
    return users


def _whole(number: int, of: int) -> int:
    """The next multiple."""
    return -(-number // of) * of


def _exponentials(
    users: Tensor, items: Tensor, shard: AllItems, look: Callable[[Tensor], Found], *, shifted: bool = False
) -> tuple[Tensor, Tensor, Found]:
    """Exponentials of logits, in their place, and their sums over the items of all processes.

    Each user's largest logit is subtracted first where exponentials would be too large or too small for a float.

    Parameters
    ----------
    users, items : from `_users` and `_items`
    look : called with the logits (n_items, n_users) while there are any

    Returns
    -------
    (n_items, n_users); float32 (n_users,); and what `look` found
    """
    on_cpu = users.device.type == "cpu"
    logits = items @ users.T
    if shifted or not on_cpu:  # to ask a GPU would take longer than to do it
        logits -= shard.largest(_over_items(torch.amax, logits))
    found = look(logits)
    exponentials = logits.exp_()
    total = shard.add_up(_over_items(torch.sum, exponentials))
    if on_cpu and not shifted and not bool(((total > 1 / LARGEST_TOTAL) & (total < LARGEST_TOTAL)).all()):
        return _exponentials(users, items, shard, look, shifted=True)
    return exponentials, total, found


def _over_items(reduce: Callable[[Tensor, int], Tensor], of_items: Tensor) -> Tensor:
    """A sum or maximum over the items, float32 (n_users,).

    It is that of `SETS` sums: a sum of bfloat16 is rounded to it, and one in float32 takes PyTorch ten times as long.
    """
    sets = of_items.view(-1, SETS, of_items.shape[1])
    return reduce(reduce(sets, 0).float(), 0)


def _block(
    users: Tensor, items: Tensor, batch: UserItems, n_users: int, soft: tuple[Tensor, Tensor] | None, shard: AllItems
) -> tuple[Tensor, ...]:
    """Terms of one block in the mean over `n_users`: gradient of users, loss, gradient of items.

    soft : exponentials, whose softmax takes the items' place, and their sums; or None
    """
    positions = batch.items * len(users) + batch.users

    def look(logits: Tensor) -> Tensor:
        """Logits of the users' items, or the expected logit of each user."""
        if soft is None:
            return logits.view(-1).index_select(0, positions).float()
        return _over_items(torch.sum, soft[0] * logits) / soft[1]

    # The gradient of a user's logits is (length · softmax − target) / n_users. The matrix here is that of softmax −
    # target / length, times the sum of exponentials; the much smaller factors are scaled by what is missing.
    matrix, total, target = _exponentials(users, items, shard, look)
    if soft is None:
        loss = (total.log().index_select(0, batch.users) - target).sum() / n_users
        shares = (total / batch.lengths).index_select(0, batch.users)
        matrix.view(-1)[positions] = (target.exp() - shares).to(matrix.dtype)
    else:
        loss = (batch.lengths * (total.log() / shard.n_processes - target)).sum() / n_users
        matrix -= soft[0].mul_(total / soft[1])
    scale = (batch.lengths / (n_users * total))[:, None]
    return (matrix.T @ items) * scale, loss, matrix @ (users * scale).to(users.dtype)
