"""NDCG and recall as Liang et al. 2018 define them (§4.2 and their notebook); precision and F1 of sets."""

import torch
from torch import Tensor


def ndcg(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """Discounted cumulative gain at k over the best possible one.

    Parameters
    ----------
    hits : bool (n_users, at least k or all items), whether the item at each rank, best first, is held out
    n_held_out : int64 (n_users,), how many items are, at least 1

    Returns
    -------
    float64 (n_users,), from 0 to 1
    """
    ranks = torch.arange(1, k + 1, device=hits.device, dtype=torch.float64)
    discounts = 1 / torch.log2(ranks + 1)
    shown = hits[:, :k].double()
    gained = shown @ discounts[: shown.shape[1]]
    return gained / discounts.cumsum(0)[n_held_out.clamp(max=k) - 1]


def recall(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """Held-out items among the first k, over min(k, number of held-out items).

    Parameters and return value as for `ndcg`.
    """
    return hits[:, :k].sum(1).double() / n_held_out.clamp(max=k)


def precision(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:  # noqa: ARG001
    """Held-out items among the first k, over k.

    Parameters and return value as for `ndcg`.
    """
    return hits[:, :k].sum(1).double() / k


def f1(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """Harmonic mean of precision and of the share of all held-out items: 2 · found / (k + number of held-out items).

    Parameters and return value as for `ndcg`.
    """
    return 2 * hits[:, :k].sum(1).double() / (k + n_held_out)
