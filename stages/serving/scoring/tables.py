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
NEGLIGIBLE = 0.01
# How far an item of the shortlist may be below the n-th best sum, in standard deviations of the error of a sum: fewer
# than one place in 10,000 is then wrong on any model that was tried, well trained or hardly.
MARGIN = 6.0
SAMPLED_ITEMS = 65_536  # of which that spread is taken
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
    errors: np.ndarray
    """float32 (n_bytes, 256), the variance over items of what rounding, or the lack of a table, costs each code."""


class Tables:
    """Picks a shortlist by int8 tables, and scores it exactly; the interface is `Scorer`'s.

    Parameters
    ----------
    package : whose codes are scored
    compiled : by Numba where it can be imported; False takes NumPy alone
    """

    name = "tables"

    def __init__(self, package: Package, compiled: bool = True) -> None:
        self._kernels = compiled_kernels() if compiled else None
        self._quantizer = package.quantizer
        self._vectors = np.ascontiguousarray(package.quantizer.vectors())
        self._offset = package.quantizer.offset
        self._weight, self._bias = np.ascontiguousarray(package.items.weight), package.items.bias
        self._tables = int8_tables(package)
        self._arrays = *self._tables, self._vectors, self._offset, self._weight, self._bias
        self.memory_bytes = tables_bytes(package, len(self._tables.levels))

    @property
    def compiled(self) -> bool:
        """False where NumPy alone does it, at a third of the speed."""
        return self._kernels is not None

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """As in `Scorer`."""
        check_codes(codes, self._quantizer.n_bytes)
        check_n(n, len(self._bias))
        left_out = check_seen(seen, len(codes), len(self._bias))
        if self._kernels is not None:
            return self._top_compiled(self._kernels, np.ascontiguousarray(codes), n, left_out)
        top = Top(np.full((len(codes), n), NO_ITEM), np.full((len(codes), n), -np.inf, np.float32))
        for user, (start, end) in enumerate(zip(left_out.starts, left_out.starts[1:], strict=False)):
            items, scores = self._rank(codes[user], left_out.items[start:end], n)
            top.items[user, : len(items)], top.scores[user, : len(items)] = items, scores
        return top

    def _top_compiled(self, kernels: ModuleType, codes: np.ndarray, n: int, seen: Seen) -> Top:
        top = Top(np.empty((len(codes), n), np.int64), np.empty((len(codes), n), np.float32))
        per_group = LARGEST_GROUP
        while per_group > 1 and len(self._tables.base) // per_group < 4 * n:
            per_group //= 2  # or the best items would share groups, and many more would be scored

        def rank(first: int, end: int) -> None:
            kernels.rank_users(codes, *seen, first, end, per_group, MARGIN, *self._arrays, *top)

        n_threads = min(kernels.N_THREADS, len(codes) // USERS_PER_THREAD)
        if n_threads <= 1:
            rank(0, len(codes))
        else:
            # Not Numba's own threads, whose simplest layer ends the process where two callers come at once.
            borders = np.linspace(0, len(codes), n_threads + 1).astype(int)
            with ThreadPoolExecutor(n_threads) as threads:
                list(threads.map(rank, borders, borders[1:]))
        return top

    def _rank(self, code: np.ndarray, seen: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores of one user, by NumPy alone."""
        tables, levels, factors, base, errors = self._tables
        sums = base.copy()
        for table, level, factor in zip(tables, levels, factors, strict=True):
            sums += table[code[level]] * factor
        sums[seen] = LOWEST
        margin = MARGIN * np.sqrt(errors[np.arange(len(code)), code].sum())
        bound = max(int(bounds(sums[None], n)[0]) - margin, LOWEST + 1)
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


def levels_that_count(package: Package) -> np.ndarray:
    """The bytes of a code that have tables, int64 (n_levels,): the other ones add next to nothing to any score."""
    of_codes, of_base = variances(package)
    of_levels = of_codes.mean(1)
    order = np.argsort(-of_levels, kind="stable")
    left_out = np.cumsum(of_levels[order[::-1]])[::-1]  # by the levels from here on
    return np.sort(order[: max(1, np.count_nonzero(left_out > NEGLIGIBLE**2 * (left_out[0] + of_base)))])


def variances(package: Package) -> tuple[np.ndarray, float]:
    """Over items, of what each code adds to a score, float64 (n_bytes, 256), and of what is the same for all users."""
    every = max(1, len(package.items.bias) // SAMPLED_ITEMS)
    weight, bias = package.items.weight[::every].astype(np.float64), package.items.bias[::every]
    vectors = package.quantizer.vectors()
    centred = vectors - vectors.mean(1, keepdims=True, dtype=np.float64)
    covariance = np.cov(weight, rowvar=False, bias=True).reshape(weight.shape[1], -1)
    base = weight @ (package.quantizer.offset + vectors.mean(1).sum(0)) + bias
    return ((centred @ covariance) * centred).sum(2), float(base.var())


def tables_bytes(package: Package, n_levels: int) -> int:
    """What `Tables` takes beyond the package, with tables for `n_levels` bytes of a code."""
    n_items, width = package.items.weight.shape
    vectors = 4 * 256 * package.quantizer.n_bytes * width
    errors = 4 * 256 * package.quantizer.n_bytes
    return vectors + errors + (256 * n_levels + 2) * _padded(n_items) + (8 + 2) * n_levels


def int8_tables(package: Package) -> Int8Tables:
    """Round what codes add to the scores of items, so that no sum overflows; float32 tables are never whole in memory.

    What is the same for all codes of a level is in the base, and what is the same for all items, and so orders nothing,
    is left out: the numbers that are rounded are small.
    """
    weight, levels = package.items.weight, levels_that_count(package)
    n_items, width = weight.shape
    vectors = package.quantizer.vectors()
    means = vectors.mean(1)
    base = weight @ (package.quantizer.offset + means.sum(0)) + package.items.bias
    base -= base.mean()
    rows, mean_item = (vectors - means[:, None])[levels].reshape(-1, width), weight.mean(0)
    at_once = max(1, BLOCK_BYTES // (4 * 256 * len(levels)))

    def blocks() -> Iterator[tuple[slice, np.ndarray]]:
        """(n_levels, 256, up to at_once), block by block."""
        for first in range(0, n_items, at_once):
            block = slice(first, first + at_once)
            yield block, (rows @ (weight[block] - mean_item).T).reshape(len(levels), 256, -1)

    largest, reach = np.zeros(len(levels)), np.abs(base).astype(np.float64)
    for block, added in blocks():
        of_items = np.abs(added, out=added).max(1)
        largest = np.maximum(largest, of_items.max(1))
        reach[block] += of_items.sum(0)

    # A level's largest number becomes 127. With rounding, |sum of an item| ≤ reach / unit + ½ + Σ factors / 2, and a
    # factor ≤ step / unit + 1: the unit is the smallest for which that stays below 32,767.
    steps = largest / 127
    unit = (reach.max() + steps.sum() / 2) / (HIGHEST - 1 - len(levels) / 2)
    unit = max(unit, np.finfo(np.float32).tiny)
    factors = np.maximum(np.ceil(steps / unit), 1)

    tables = np.zeros((len(levels), 256, _padded(n_items)), np.int8)
    for block, added in blocks():
        added /= (unit * factors).astype(np.float32)[:, None, None]
        tables[:, :, :n_items][:, :, block] = np.rint(added, out=added)
    padded = np.full(_padded(n_items), LOWEST, np.int16)
    padded[:n_items] = np.rint(base / unit)
    errors = variances(package)[0] / unit / unit  # of a code without a table, or whose numbers are all rounded to 0
    errors[levels] = np.minimum(errors[levels], np.square(factors)[:, None] / 12)  # or of numbers rounded to whole ones
    errors += 1 / 12 / len(errors)  # of the base
    return Int8Tables(tables, levels, factors.astype(np.int16), padded, errors.astype(np.float32))


def _padded(n_items: int) -> int:
    return -(-n_items // PADDING) * PADDING


def compiled_kernels() -> ModuleType | None:
    """The compiled kernels, or None where Numba can't be imported."""
    try:
        from stages.serving.scoring import kernels
    except ImportError:
        return None
    return kernels
