"""The items with the best inner products, found on a CPU without a matrix of users × items.

Scores are made in blocks, and looked through while they are in the cache. Where products of bfloat16 are faster, they
are made of it; whatever its rounding may have kept from the best is then scored again. So the items are those of
float32.
"""

from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.ranking import kernels
from stages.ranking.top import top_items
from stages.run.compiled import shared_out
from stages.run.processor import is_faster_in_bfloat16

USERS_AT_ONCE, ITEMS_AT_ONCE = 256, 2048
FIRST_ITEMS = 512
"""A small block first: whatever is worse than its best is never kept."""


class BestItems:
    """Finds the best items of users.

    Parameters
    ----------
    vectors : float32 (n_items, d), on the CPU
    biases : float32 (n_items,), added to the inner products
    """

    def __init__(self, vectors: Tensor, biases: Tensor) -> None:
        self._vectors, self._biases = vectors.detach().contiguous(), biases.detach().contiguous()
        self._narrow = self._vectors.bfloat16() if is_faster_in_bfloat16() else self._vectors
        # Of the length of a user's vector: how far from its value an inner product may be, by the rounding of both
        # vectors and of the product in bfloat16, and of sums in float32.
        bfloat16 = 0.0 if self._narrow is self._vectors else torch.finfo(torch.bfloat16).eps / 2
        float32 = torch.finfo(torch.float32).eps
        rounding = 3.1 * bfloat16 + vectors.shape[1] * float32
        self._error = rounding * float(self._vectors.norm(dim=1).max())
        self._error_of_biases = float32 * float(self._biases.abs().max())

    def top(self, users: np.ndarray, seen: csr_array, k: int) -> np.ndarray:
        """The k items with the largest sum of bias and inner product, best first, int64 (n_users, k).

        Parameters
        ----------
        users : float32 (n_users, d)
        seen : (n_users, n_items) 0/1; these items come last, if at all
        k : at most n_items
        """
        users = np.ascontiguousarray(users, np.float32)
        seen = seen if seen.has_sorted_indices else seen.sorted_indices()
        best = np.empty((len(users), k), np.int64)
        n_threads = torch.get_num_threads()
        shared_out(len(users), lambda start, end: self._some(users, seen, start, end, best), n_threads)
        torch.set_num_threads(n_threads)  # what a thread sets holds for MKL in all of them
        return best

    def _some(self, users: np.ndarray, seen: csr_array, start: int, end: int, best: np.ndarray) -> None:
        torch.set_num_threads(1)
        for first in range(start, end, USERS_AT_ONCE):
            rows = slice(first, min(first + USERS_AT_ONCE, end))
            self._block(users[rows], seen, first, best[rows])

    def _block(self, users: np.ndarray, seen: csr_array, start: int, best: np.ndarray) -> None:
        (n_users, k), n_items = best.shape, len(self._vectors)
        of_users, biases = torch.from_numpy(users), self._biases.numpy()
        margins = (2 * (self._error * of_users.norm(dim=1) + self._error_of_biases)).numpy()
        left_out = seen.indices.astype(np.int32, copy=False), seen.indptr.astype(np.int32, copy=False), start
        limits, n_found = np.full(n_users, -np.inf, np.float32), np.zeros(n_users, np.int64)
        scores = np.empty((n_users, ITEMS_AT_ONCE + kernels.ROOM * k), np.float32)
        found = n_found, scores, np.empty(scores.shape, np.int32)
        narrow = of_users.to(self._narrow.dtype)
        borders = [0, *range(min(FIRST_ITEMS, n_items), n_items, ITEMS_AT_ONCE), n_items]
        for first, end in pairwise(borders):
            products = (narrow @ self._narrow[first:end].T).float().numpy()
            kernels.collect(products, biases, first, *left_out, margins, limits, k, *found)
        kernels.rank(users, self._vectors.numpy(), biases, *left_out, margins, limits, *found, best)
        for user in np.flatnonzero(n_found < 0):  # more items than there is room for are as good as the best
            exact = torch.addmv(self._biases, self._vectors, of_users[user])
            exact[seen.indices[seen.indptr[start + user] : seen.indptr[start + user + 1]]] = -torch.inf
            best[user] = top_items(exact[None], k)[0].numpy()
