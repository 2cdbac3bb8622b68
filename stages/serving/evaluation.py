"""Test users as they are served: ranked from the codes of a store, by every way of scoring."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.interfaces.split import HeldOutUsers
from stages.ranking.evaluation import RANKS
from stages.ranking.ndcg import ndcg
from stages.serving.package.package import Items
from stages.serving.scoring.popularity import Popularity
from stages.serving.scoring.scorer import Scorer
from stages.serving.store.store import write_store

EXACT = "dense"
"""Name of the way that the others are measured by."""
MADE_UP = 100_000
"""Users of a store whose bytes are measured: enough for what it keeps but once to weigh little."""


def measure_served(
    scorers: Mapping[str, Scorer], items: Items, codes: np.ndarray, coded: np.ndarray, users: HeldOutUsers
) -> tuple[pd.DataFrame, dict[str, float]]:
    """NDCG@100 of every user with held-out interactions, and the overlap of the lists with the exact ones.

    What is in a user's fold-in is left out. Users without a code get the most popular items.

    Parameters
    ----------
    scorers : ways of scoring by their names, `EXACT` among them
    codes : uint8 (n_users, n_bytes), of users with held-out interactions
    coded : bool (n_users,), whether each of them has a code

    Returns
    -------
    DataFrame with column user (row in `users`) and one of each way; way → mean share of the exact top 100
    """
    rows = users.scored()
    fold_in, held_out = users.fold_in[rows], users.held_out[rows]
    n_items = fold_in.shape[1]
    n = min(RANKS, n_items)
    seen = np.split(fold_in.indices.astype(np.int64), fold_in.indptr[1:-1])
    of_coded, of_others = ([seen[user] for user in np.flatnonzero(chosen)] for chosen in (coded, ~coded))
    wanted = _keys(np.repeat(np.arange(len(rows)), np.diff(held_out.indptr)), held_out.indices, n_items)
    n_held_out = torch.from_numpy(np.diff(held_out.indptr).astype(np.int64))
    shown = np.empty((len(rows), n), np.int64)
    shown[~coded] = Popularity(items).top(len(of_others), n, of_others).items
    per_user, lists = pd.DataFrame({"user": rows}), {}
    for name, scorer in scorers.items():
        shown[coded] = scorer.top(codes[coded], n, of_coded).items
        lists[name] = _keys(np.arange(len(rows))[:, None], shown, n_items)
        per_user[name] = ndcg(torch.from_numpy(np.isin(lists[name], wanted)), n_held_out, RANKS).numpy()
    exact = lists[EXACT]
    return per_user, {
        name: float((np.isin(keys, exact) & (keys >= 0)).sum() / (exact >= 0).sum()) for name, keys in lists.items()
    }


def store_bytes_per_user(n_bytes: int, folder: Path) -> float:
    """Bytes on disk of a user with an integer id and a code of so many bytes, in a large store.

    Parameters
    ----------
    folder : not there; made for a store, and removed
    """
    folder.mkdir()
    write_store(folder, np.arange(MADE_UP), np.zeros((MADE_UP, n_bytes), np.uint8), np.ones(MADE_UP, bool), "")
    size = sum(path.stat().st_size for path in folder.iterdir())
    shutil.rmtree(folder)
    return size / MADE_UP


def _keys(users: np.ndarray, items: np.ndarray, n_items: int) -> np.ndarray:
    """A number for every pair of user and item; -1 where there is no item."""
    return np.where(items < 0, -1, users * n_items + items)
