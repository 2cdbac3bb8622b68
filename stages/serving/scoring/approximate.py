"""The best items among those near the user's vector: for catalogues that are too large to score them all."""

import math
from collections.abc import Sequence

import faiss
import numpy as np

from stages.serving.package.package import Package
from stages.serving.scoring.scorer import NO_ITEM, Top, check_codes, check_n, check_seen

# faiss's IVF-flat: of its kinds of index that were measured, the fastest at a recall of 95 %, and built within seconds.
FEWEST_PROBES = 32
SHARE_PROBED = 1 / 20  # of the lists; a million items: 95–100 % of the top 100
VECTORS_PER_LIST = 64  # that k-means is fitted on
ITEMS_AT_ONCE = 65_536


class Approximate:
    """Scores the items of the lists whose centres score best; the interface is `Scorer`'s.

    Parameters
    ----------
    package : whose item vectors are indexed, with the bias as one more dimension
    seed : of the centres
    """

    name = "approximate"

    def __init__(self, package: Package, seed: int = 0) -> None:
        self._quantizer, items = package.quantizer, package.items
        self._n_items, width = items.weight.shape
        n_lists = 1 << round(math.log2(self._n_items) / 2)
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width + 1), width + 1, n_lists, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed = seed
        self._index.cp.min_points_per_centroid = 1
        sample = np.random.default_rng(seed).permutation(self._n_items)[: n_lists * VECTORS_PER_LIST]
        self._index.train(np.column_stack([items.weight[sample], items.bias[sample]]))
        for first in range(0, self._n_items, ITEMS_AT_ONCE):
            block = slice(first, first + ITEMS_AT_ONCE)
            self._index.add(np.column_stack([items.weight[block], items.bias[block]]))
        self._probes = max(FEWEST_PROBES, round(SHARE_PROBED * n_lists))
        self.memory_bytes = approximate_bytes(self._n_items, width)

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """As in `Scorer`, but a few of the best items may be missing."""
        check_codes(codes, self._quantizer.n_bytes)
        check_n(n, self._n_items)
        left_out = check_seen(seen, len(codes), self._n_items)
        users = np.repeat(np.arange(len(codes)), np.diff(left_out.starts))
        pairs = np.unique(users * self._n_items + left_out.items)  # of a user and an item
        n_seen = np.bincount(pairs // self._n_items, minlength=len(codes))
        asked = int(min(n + n_seen.max(initial=0), self._n_items))
        vectors = self._quantizer.decode(codes)
        queries = np.column_stack([vectors, np.ones(len(vectors), np.float32)])
        items, scores = self._search(queries, asked, self._probes, pairs)
        short = np.flatnonzero((items >= 0).sum(1) < np.minimum(n, self._n_items - n_seen))
        if len(short):  # the probed lists hold too few items
            places = np.searchsorted(short, pairs // self._n_items)
            of_short = np.isin(pairs // self._n_items, short)
            again = places[of_short] * self._n_items + pairs[of_short] % self._n_items
            items[short], scores[short] = self._search(queries[short], asked, self._index.nlist, again)
        order = np.lexsort((items, -scores))[:, :n]
        return Top(np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))

    def _search(self, queries: np.ndarray, asked: int, probes: int, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores; NO_ITEM and -inf in the place of seen ones."""
        parameters = faiss.SearchParametersIVF(nprobe=probes)
        scores, items = self._index.search(queries, asked, params=parameters)
        found = np.arange(len(queries))[:, None] * self._n_items + items
        left_out = (items < 0) | np.isin(found, pairs) if len(pairs) else items < 0
        items[left_out], scores[left_out] = NO_ITEM, -np.inf
        return items, scores


def approximate_bytes(n_items: int, width: int) -> int:
    """Of the index: vectors with their bias, numbers of items, and centres."""
    n_lists = 1 << round(math.log2(n_items) / 2)
    return n_items * (4 * (width + 1) + 8) + n_lists * 4 * (width + 1)
