"""Sums of the rows of a user's items, by compiled code."""

import numpy as np
from numba import types
from scipy.sparse import csr_array

from stages.run.compiled import compiled, read_only, shared_out


def sums_of_rows(histories: csr_array, weight: np.ndarray) -> np.ndarray:
    """The product `histories @ weight`, bit for bit, by all threads: float32 (n, width).

    Parameters
    ----------
    histories : (n, n_items) 0/1
    weight : float32 (n_items, width)
    """
    sums = np.empty((histories.shape[0], weight.shape[1]), np.float32)
    items, borders = (array.astype(np.int32, copy=False) for array in (histories.indices, histories.indptr))
    shared_out(len(sums), lambda start, end: _sum(items, borders, weight, start, end, sums))
    return sums


@compiled(
    types.void(
        read_only(types.int32, 1),
        read_only(types.int32, 1),
        read_only(types.float32, 2),
        types.int64,
        types.int64,
        types.Array(types.float32, 2, "C"),
    )
)
def _sum(items, borders, weight, start, end, sums):  # type: ignore[no-untyped-def]
    """The sums of the users from `start` to `end`, added up in the order of their items."""
    width = weight.shape[1]
    for user in range(start, end):
        for i in range(width):
            sums[user, i] = 0
        for place in range(borders[user], borders[user + 1]):
            row = items[place]
            for i in range(width):
                sums[user, i] += weight[row, i]
