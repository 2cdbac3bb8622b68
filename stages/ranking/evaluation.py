"""The one evaluation that scores every row: embed, codec round trip, score, mask, top-100, metrics."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interactions.protocol.strong_generalization import HeldOutUsers
from stages.interfaces.batches import Blocks
from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Interactions, Recommender
from stages.ranking.metrics import f1, ndcg, precision, recall
from stages.ranking.top import top_items
from stages.statistics.groups import group_column

METRICS = {
    "ndcg@100": (ndcg, 100),
    "recall@20": (recall, 20),
    "recall@50": (recall, 50),
    "precision@20": (precision, 20),
    "f1@20": (f1, 20),
}
RANKS = max(k for _, k in METRICS.values())


def evaluate(
    model: Recommender, codec: Codec, users: HeldOutUsers, batch_size: int, item_groups: np.ndarray | None = None
) -> pd.DataFrame:
    """Rank all items for held-out users from what is stored of them.

    Parameters
    ----------
    users : those with nothing held out are left out of the result
    batch_size : users scored at once; fewer where the device runs out of memory
    item_groups : int64 (n_items,) from 0, for NDCG@100 of each group of items

    Returns
    -------
    DataFrame with a row per user: user (row in `users`), fold_in and held_out (numbers of items), METRICS, and for each
    group `group_column`: all items are ranked, but only held-out items of the group count; NaN where there are none

    Raises
    ------
    UserError
        where the device has no memory for the scores of one user.
    """
    scored = np.flatnonzero(np.diff(users.held_out.indptr))
    frames = Blocks(batch_size).run(
        lambda start, end: _evaluate(model, codec, users, scored[start:end], item_groups), len(scored)
    )
    return pd.concat(frames, ignore_index=True)


def _evaluate(
    model: Recommender, codec: Codec, users: HeldOutUsers, rows: np.ndarray, item_groups: np.ndarray | None
) -> pd.DataFrame:
    fold_in, held_out = users.fold_in[rows], users.held_out[rows]
    scores = model.score(codec.decode(codec.encode(model.embed(fold_in))))
    ranked, hits = _rank(scores, fold_in, held_out)
    shown, n_held_out = (np.diff(part.indptr).astype(np.int64) for part in (fold_in, held_out))
    counts = torch.from_numpy(n_held_out).to(hits.device)
    values = {name: metric(hits, counts, k).cpu().numpy() for name, (metric, k) in METRICS.items()}
    if item_groups is not None:
        values |= _by_group(ranked, hits, held_out, item_groups)
    return pd.DataFrame({"user": rows, "fold_in": shown, "held_out": n_held_out, **values})


def encode_users(
    model: Recommender, codec: Codec, fold_in: csr_array, batch_size: int
) -> Iterator[np.ndarray | csr_array]:
    """Yield the codes of `batch_size` users at a time, as they would be stored; fold_in : (n_users, n_items) 0/1."""
    for start in range(0, fold_in.shape[0], batch_size):
        yield codec.encode(model.embed(fold_in[start : start + batch_size]))


def _rank(scores: Tensor, fold_in: csr_array, held_out: csr_array) -> tuple[Tensor, Tensor]:
    """The best 100 items of each user, int64 (n_users, 100), fold-in left out; and whether each is held out, bool."""
    n_items = scores.shape[1]
    shown = Interactions(fold_in, scores.device).all()
    scores[shown.users, shown.items] = -torch.inf
    ranked = top_items(scores, min(RANKS, n_items))
    wanted = Interactions(held_out, scores.device).all()
    rows = torch.arange(len(ranked), device=scores.device)[:, None]
    return ranked, torch.isin(rows * n_items + ranked, wanted.users * n_items + wanted.items)


def _by_group(ranked: Tensor, hits: Tensor, held_out: csr_array, item_groups: np.ndarray) -> dict[str, np.ndarray]:
    groups = torch.from_numpy(item_groups).to(hits.device)
    values = {}
    for group in range(item_groups.max() + 1):
        in_group = csr_array(held_out.multiply(item_groups == group))
        counts = torch.from_numpy(np.asarray(in_group.sum(axis=1)).astype(np.int64)).to(hits.device)
        found = ndcg(hits & (groups[ranked] == group), counts.clamp(min=1), RANKS)
        values[group_column(group)] = found.where(counts > 0, torch.nan).cpu().numpy()
    return values
