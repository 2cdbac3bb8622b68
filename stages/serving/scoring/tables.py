"""Scores from tables: what every code adds to the score of every item, worked out beforehand.

A score is then a sum of a few rows. The int8 tables only pick a shortlist, which is scored exactly.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import NamedTuple

import numpy as np

from stages.serving.package.package import Package
from stages.serving.scoring.best import best, bounds
from stages.serving.scoring.scorer import NO_ITEM, Seen, Top, check_codes, check_n, check_seen

BLOCK_BYTES = 2**24  # of float32 tables at once
PADDING = 64  # items: rows start with a cache line
LOWEST = -32768  # of what is left out
HIGHEST = 32767
# Levels that together add less than this to the spread of the scores are left to the exact scores of the shortlist.
NEGLIGIBLE = 0.02
LARGEST_GROUP = 16
USERS_PER_THREAD = 8  # fewer are ranked sooner by one thread


class Int8Tables(NamedTuple):
    """Tables whose sums order the items nearly as their scores do."""

    tables: np.ndarray
    """int8 (n_levels, 256, n_padded), contiguous along the items."""
    levels: np.ndarray
    """int64 (n_levels,), the bytes of a code that the tables are for: those that add the most."""
    factors: np.ndarray
    """int16 (n_levels,), of the tables: what they add, in units of the sum."""
    base: np.ndarray
    """int16 (n_padded,), what is the same for every user; -32,768 beyond the last item."""


class Tables:
    """Picks a shortlist by int8 tables, and scores it exactly; the interface is `Scorer`'s.

    Parameters
    ----------
    package : whose codes are scored
    compiled : whether Numba's kernel does it, or NumPy alone; None takes Numba where it can be imported
    """

    name = "tables"

    def __init__(self, package: Package, compiled: bool | None = None) -> None:
        self._kernels = None if compiled is False else _kernels()
        if compiled and self._kernels is None:
            raise ImportError("numba")
        self._quantizer = package.quantizer
        self._vectors = np.ascontiguousarray(package.quantizer.vectors())
        self._offset = package.quantizer.offset
        self._weight, self._bias = np.ascontiguousarray(package.items.weight), package.items.bias
        exact = self._vectors, self._offset, self._weight, self._bias
        self._tables = int8_tables(*exact)
        self._arrays = *self._tables, *exact
        self.memory_bytes = self._vectors.nbytes + sum(array.nbytes for array in self._tables)

    @property
    def compiled(self) -> bool:
        """False where NumPy alone does it, at a third of the speed."""
        return self._kernels is not None

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """As in `Scorer`."""
        check_codes(codes, self._quantizer.n_bytes)
        check_n(n, len(self._bias))
        left_out = check_seen(seen, len(codes), len(self._bias))
        n_shortlist = min(shortlist_for(n), len(self._bias))
        if self._kernels is not None:
            return self._top_compiled(self._kernels, np.ascontiguousarray(codes), n, left_out, n_shortlist)
        top = Top(np.full((len(codes), n), NO_ITEM), np.full((len(codes), n), -np.inf, np.float32))
        for user, (start, end) in enumerate(zip(left_out.starts, left_out.starts[1:], strict=False)):
            items, scores = self._rank(codes[user], left_out.items[start:end], n, n_shortlist)
            top.items[user, : len(items)], top.scores[user, : len(items)] = items, scores
        return top

    def _top_compiled(self, kernels: ModuleType, codes: np.ndarray, n: int, seen: Seen, n_shortlist: int) -> Top:
        top = Top(np.empty((len(codes), n), np.int64), np.empty((len(codes), n), np.float32))
        per_group = LARGEST_GROUP
        while per_group > 1 and len(self._tables.base) // per_group < 4 * n_shortlist:
            per_group //= 2  # or the best items would share groups, and far more than the shortlist would be scored

        def rank(first: int, end: int) -> None:
            kernels.rank_users(codes, *seen, first, end, n_shortlist, per_group, *self._arrays, *top)

        n_threads = min(kernels.N_THREADS, len(codes) // USERS_PER_THREAD)
        if n_threads <= 1:
            rank(0, len(codes))
        else:
            # Not Numba's own threads, whose simplest layer ends the process where two callers come at once.
            borders = np.linspace(0, len(codes), n_threads + 1).astype(int)
            with ThreadPoolExecutor(n_threads) as threads:
                list(threads.map(rank, borders, borders[1:]))
        return top

    def _rank(self, code: np.ndarray, seen: np.ndarray, n: int, n_shortlist: int) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores of one user, by NumPy alone."""
        tables, levels, factors, base = self._tables
        sums = base.copy()
        for table, level, factor in zip(tables, levels, factors, strict=True):
            sums += table[code[level]] * factor
        sums[seen] = LOWEST
        bound = max(bounds(sums[None], n_shortlist)[0], LOWEST + 1)
        shortlist = np.flatnonzero(sums >= bound)
        vector = self._offset + self._vectors[np.arange(len(code)), code].sum(0)
        scores = self._weight[shortlist] @ vector + self._bias[shortlist]
        order = np.argsort(-scores, kind="stable")[:n]
        return shortlist[order], scores[order]


class FloatTables:
    """Sums of float32 tables: exact, four times as large, and slower; the interface is `Scorer`'s.

    Parameters
    ----------
    package : whose codes are scored
    """

    name = "tables"

    def __init__(self, package: Package) -> None:
        items, self._n_bytes = package.items, package.quantizer.n_bytes
        vectors = package.quantizer.vectors()
        self._tables = np.ascontiguousarray(vectors @ items.weight.T)  # (n_bytes, 256, n_items)
        self._base = items.weight @ package.quantizer.offset + items.bias
        self.memory_bytes = self._tables.nbytes + self._base.nbytes

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """As in `Scorer`."""
        check_codes(codes, self._n_bytes)
        check_n(n, len(self._base))
        left_out = check_seen(seen, len(codes), len(self._base))
        top = Top(np.empty((len(codes), n), np.int64), np.empty((len(codes), n), np.float32))
        for user, (start, end) in enumerate(zip(left_out.starts, left_out.starts[1:], strict=False)):
            scores = self._base + self._tables[np.arange(self._n_bytes), codes[user]].sum(0)
            scores[left_out.items[start:end]] = -np.inf
            of_user = best(scores[None], n)
            top.items[user], top.scores[user] = of_user.items[0], of_user.scores[0]
        return top


def shortlist_for(n: int) -> int:
    """Items that are scored exactly for a list of n: with these, 99.999 % of its places are right."""
    return n + n // 2 + 50


def int8_tables(vectors: np.ndarray, offset: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> Int8Tables:
    """Round what codes add to the scores of items, so that no sum overflows; float32 tables are never whole in memory.

    Constants of an item are in its base, those of a code, which order nothing, nowhere: what is left is small.

    Parameters
    ----------
    vectors, offset : as in `Quantizer`
    weight, bias : as in `Items`
    """
    (n_items, width), n_levels = weight.shape, len(vectors)
    means = vectors.mean(1)
    base = weight @ (offset + means.sum(0)) + bias
    base -= base.mean()
    centred, mean_item = vectors - means[:, None], weight.mean(0)
    at_once = max(1, BLOCK_BYTES // (4 * 256 * n_levels))

    def blocks(levels: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """(n_levels, 256, up to at_once) of some levels, block by block."""
        rows = centred[levels].reshape(-1, width)
        for first in range(0, n_items, at_once):
            block = slice(first, first + at_once)
            yield block, (rows @ (weight[block] - mean_item).T).reshape(len(levels), 256, -1)

    largest, spread, reach = np.zeros(n_levels), np.zeros(n_levels), np.abs(base).astype(np.float64)
    for block, added in blocks(np.arange(n_levels)):
        np.abs(added, out=added)
        of_items = added.max(1)
        largest = np.maximum(largest, of_items.max(1))
        reach[block] += of_items.sum(0)
        spread += added.sum((1, 2), dtype=np.float64) / (256 * n_items)

    by_spread = np.argsort(-spread, kind="stable")
    left_out = np.cumsum(np.square(spread[by_spread[::-1]]))[::-1]  # by the levels from here on
    whole = left_out[0] + np.square(np.abs(base).mean(dtype=np.float64))
    levels = np.sort(by_spread[: max(1, np.count_nonzero(left_out > NEGLIGIBLE**2 * whole))])

    # A level's largest number becomes 127. With rounding, |sum of an item| ≤ reach / unit + ½ + Σ factors / 2, and a
    # factor ≤ step / unit + 1: the unit is the smallest for which that stays below 32,767.
    steps = largest[levels] / 127
    unit = (reach.max() + steps.sum() / 2) / (HIGHEST - 1 - len(levels) / 2)
    unit = max(unit, np.finfo(np.float32).tiny)
    factors = np.maximum(np.ceil(steps / unit), 1)

    n_padded = -(-n_items // PADDING) * PADDING
    tables = np.zeros((len(levels), 256, n_padded), np.int8)
    for block, added in blocks(levels):
        added /= (unit * factors).astype(np.float32)[:, None, None]
        tables[:, :, :n_items][:, :, block] = np.rint(added, out=added)
    padded = np.full(n_padded, LOWEST, np.int16)
    padded[:n_items] = np.rint(base / unit)
    return Int8Tables(tables, levels, factors.astype(np.int16), padded)


def _kernels() -> ModuleType | None:
    """The compiled kernels, or None where Numba can't be imported."""
    try:
        from stages.serving.scoring import kernels
    except ImportError:
        return None
    return kernels
