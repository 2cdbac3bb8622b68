"""The product of a sparse users × items matrix with the items' vectors."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stages.interfaces.batches import UserItems


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, batch: UserItems, factors: Tensor) -> Tensor:
        ctx.batch, ctx.n_items = batch, len(vectors)
        ctx.save_for_backward(factors)
        return functional.embedding_bag(batch.items, vectors, batch.offsets, mode="sum", per_sample_weights=factors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The transposed product, summed item by item; PyTorch's own backward adds one interaction at a time."""
        (factors,) = ctx.saved_tensors
        items, order = ctx.batch.items.sort(stable=True)
        offsets = torch.searchsorted(items, torch.arange(ctx.n_items, device=items.device))
        users = ctx.batch.users[order]
        grad_vectors = functional.embedding_bag(users, grad, offsets, mode="sum", per_sample_weights=factors[order])
        return grad_vectors, None, None


def weighted_sum(vectors: Tensor, batch: UserItems, factors: Tensor) -> Tensor:
    """The sum of factor · vector over each user's items.

    Parameters
    ----------
    vectors : float32 (n_items, d)
    batch : users with their items
    factors : float32 (n_interactions,), constants

    Returns
    -------
    float32 (n_users, d), differentiable in `vectors`; the order of additions is the same in every run
    """
    summed: Tensor = _WeightedSum.apply(vectors, batch, factors)
    return summed
