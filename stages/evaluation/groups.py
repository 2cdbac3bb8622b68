"""Groups of items by their popularity."""

import numpy as np
from scipy.sparse import csr_array

from stages.interfaces.matrix_files import interactions_of_items

GROUPS = 4


def group_column(group: int) -> str:
    """Name of the column with NDCG@100 of a group of items; group : number of the group, from 0."""
    return f"ndcg@100 of item group {group + 1}"


def quarters_of_interactions(train: csr_array) -> np.ndarray:
    """Group items by popularity, so that each group has about a quarter of all train interactions.

    Parameters
    ----------
    train : (n_users, n_items) 0/1

    Returns
    -------
    int64 (n_items,), group of each item, from 0 for the most popular items to 3
    """
    counts = interactions_of_items(train)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    quarters = np.empty(len(counts), dtype=np.int64)
    quarters[order] = GROUPS * before // max(1, int(counts.sum()))
    return quarters
