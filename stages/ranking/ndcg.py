"""NDCG as Liang et al. 2018 define it (§4.2 and their notebook)."""

import torch
from torch import Tensor


def ndcg(hits: Tensor, n_held_out: Tensor, k: int) -> Tensor:
    """Discounted cumulative gain at rank k, divided by the largest possible one.

    Parameters
    ----------
    hits : bool (n_users, at least k or all items), whether the item at each rank, best first, is held out
    n_held_out : int64 (n_users,), number of held-out items, at least 1
    k : number of ranks

    Returns
    -------
    float64 (n_users,), from 0 to 1
    """
    ranks = torch.arange(1, k + 1, device=hits.device, dtype=torch.float64)
    discounts = 1 / torch.log2(ranks + 1)
    shown = hits[:, :k].double()
    gained = shown @ discounts[: shown.shape[1]]
    return gained / discounts.cumsum(0)[n_held_out.clamp(max=k) - 1]
