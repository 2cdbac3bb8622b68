"""The best of many scores, without sorting them all."""

import numpy as np

from stages.serving.scoring.scorer import NO_ITEM, Top

ITEMS_PER_GROUP = 16


def best(scores: np.ndarray, n: int) -> Top:
    """The n best items of each user.

    Parameters
    ----------
    scores : float32 (n_users, n_items) without NaN; -inf where an item is left out
    n : at most n_items
    """
    items = np.full((len(scores), n), NO_ITEM)
    values = np.full((len(scores), n), -np.inf, np.float32)
    for user, bound in enumerate(bounds(scores, n)):
        row = scores[user]
        candidates = np.flatnonzero(row >= bound)
        found = row[candidates]
        order = np.argsort(-found, kind="stable")[:n]  # candidates are in the order of their columns
        items[user, : len(order)] = candidates[order]
        values[user, : len(order)] = found[order]
    items[np.isneginf(values)] = NO_ITEM
    return Top(items, values)


def bounds(scores: np.ndarray, n: int) -> np.ndarray:
    """A score that at least n items of each user reach, and few more: the n-th best maximum of groups of items.

    Parameters
    ----------
    scores : (n_users, n_items)
    n : at most n_items
    """
    n_users, n_items = scores.shape
    n_groups = n_items // ITEMS_PER_GROUP
    if n_groups < n:
        return np.partition(scores, n_items - n, axis=1)[:, n_items - n]
    # Group g has items g, g + n_groups, g + 2 · n_groups, …, so that maxima are taken along contiguous memory.
    grouped = scores[:, : n_groups * ITEMS_PER_GROUP].reshape(n_users, ITEMS_PER_GROUP, n_groups)
    return np.partition(grouped.max(1), n_groups - n, axis=1)[:, n_groups - n]
