"""The product of a sparse users × items matrix with the items' vectors."""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array
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
        order, offsets = _by_item(ctx.batch, ctx.n_items)
        users, factors = (of.index_select(0, order) for of in (ctx.batch.users, factors))
        grad_vectors = functional.embedding_bag(users, grad, offsets, mode="sum", per_sample_weights=factors)
        return grad_vectors, None, None


def _by_item(batch: UserItems, n_items: int) -> tuple[Tensor, Tensor]:
    """Order of interactions by item, then user, and where each item's start : int64 (n_interactions,), (n_items,)."""
    if batch.items.device.type == "cpu":  # SciPy counts, and need not sort
        borders = np.append(batch.offsets.numpy(), len(batch.items))
        numbers = np.arange(len(batch.items))
        by_item = csr_array((numbers, batch.items.numpy(), borders), shape=(len(batch.offsets), n_items)).tocsc()
        return torch.from_numpy(by_item.data), torch.from_numpy(by_item.indptr[:-1].astype(np.int64))
    items, order = batch.items.sort(stable=True)
    return order, torch.searchsorted(items, torch.arange(n_items, device=items.device))


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
