"""Why an item is recommended: which items of the history weigh most."""

import numpy as np
from scipy.sparse import csr_array

from stages.serving.encoding.encoder import embed
from stages.serving.package.package import Package

MOST_ENTRIES = 10**7
"""Of the histories with one item less that are embedded at once."""


def weights(package: Package, history: np.ndarray, items: np.ndarray) -> np.ndarray:
    """How much the score of each item falls without each item of the history, float32 (n_items, n_history).

    The scores are those of the user's vector before it is encoded: a code does not change by every item.

    Parameters
    ----------
    history, items : int64, columns; no column twice in the history

    Raises
    ------
    UserError
        where the package has no encoder.
    """
    n, n_columns = len(history), len(package.items.bias)
    output = package.items.weight[items].T
    whole = embed(package, csr_array((np.ones(n, np.float32), history, [0, n]), shape=(1, n_columns))) @ output
    found = np.empty((len(items), n), np.float32)
    at_once = max(1, MOST_ENTRIES // max(1, n))
    for start in range(0, n, at_once):
        left_out = np.arange(start, min(start + at_once, n))
        others = np.stack([np.delete(history, place) for place in left_out])  # (users, n - 1)
        starts = np.arange(len(others) + 1) * (n - 1)
        shorter = csr_array((np.ones(others.size, np.float32), others.ravel(), starts), shape=(len(others), n_columns))
        found[:, left_out] = (whole - embed(package, shorter) @ output).T
    return found
