"""The one evaluation that scores every row: embed, codec round trip, score, mask, top-100, metrics."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interactions.split import HeldOutUsers
from stages.models.recommender import Interactions, Recommender
from stages.quantizers.codec import Codec
from stages.ranking.metrics import ndcg, recall

METRICS = {
    "ndcg@100": (ndcg, 100),
    "recall@20": (recall, 20),
    "recall@50": (recall, 50),
}
RANKS = max(k for _, k in METRICS.values())


def evaluate(model: Recommender, codec: Codec, users: HeldOutUsers, batch_size: int) -> pd.DataFrame:
    """Rank all items for held-out users from what is stored of them.

    Parameters
    ----------
    users : those with nothing held out are left out of the result
    batch_size : users scored at once

    Returns
    -------
    DataFrame with a row per user: user (row in `users`), fold_in and held_out (numbers of items), and METRICS
    """
    n_held_out = np.diff(users.held_out.indptr)
    frames = []
    for rows in _batches(np.flatnonzero(n_held_out), batch_size):
        fold_in, held_out = users.fold_in[rows], users.held_out[rows]
        scores = model.score(codec.decode(codec.encode(model.embed(fold_in))))
        hits = _hits(scores, fold_in, held_out)
        counts = torch.from_numpy(n_held_out[rows].astype(np.int64)).to(hits.device)
        values = {name: metric(hits, counts, k).cpu().numpy() for name, (metric, k) in METRICS.items()}
        shown = np.diff(fold_in.indptr)
        frames.append(pd.DataFrame({"user": rows, "fold_in": shown, "held_out": n_held_out[rows], **values}))
    return pd.concat(frames, ignore_index=True)


def encode_users(
    model: Recommender, codec: Codec, fold_in: csr_array, batch_size: int
) -> Iterator[np.ndarray | csr_array]:
    """Yield the codes of `batch_size` users at a time, as they would be stored; fold_in : (n_users, n_items) 0/1."""
    for rows in _batches(np.arange(fold_in.shape[0]), batch_size):
        yield codec.encode(model.embed(fold_in[rows]))


def _batches(rows: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def _hits(scores: Tensor, fold_in: csr_array, held_out: csr_array) -> Tensor:
    """Bool (n_users, 100): whether the item at each rank is held out; items of the fold-in are not ranked."""
    n_items = scores.shape[1]
    shown = Interactions(fold_in, scores.device).all()
    scores[shown.users, shown.items] = -torch.inf
    ranked = scores.topk(min(RANKS, n_items)).indices  # (n_users, 100)
    wanted = Interactions(held_out, scores.device).all()
    rows = torch.arange(len(ranked), device=scores.device)[:, None]
    return torch.isin(rows * n_items + ranked, wanted.users * n_items + wanted.items)
