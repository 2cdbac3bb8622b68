"""Comparison of rows, paired by user and by seed, so that most of the variance between users and seeds cancels."""

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import numpy as np

RESAMPLES_AT_ONCE = 100  # bounds the memory for data sets with many users


class Interval(NamedTuple):
    """A value and its 95 % confidence interval; NaN where it is not known, as the ends are of one user alone."""

    value: float
    low: float
    high: float


UNKNOWN = Interval(nan, nan, nan)


class Bootstrap:
    """Paired percentile bootstrap over users and seeds, with the same resamples in every comparison.

    A resample draws users with replacement and, independently, seeds (the pigeonhole bootstrap: Owen 2007). Three seeds
    understate the variance between seeds by about a third. A row without seeds, such as a reference, has one line of
    values, which counts for each.

    Values of rows are float64 (n_seeds, n_users): the same users in the same order, and as many seeds or one.

    Parameters
    ----------
    resamples : number of resamples
    seed : seed of the draws
    """

    def __init__(self, resamples: int, seed: int) -> None:
        self.resamples = resamples
        self.seed = seed
        self._means: dict[tuple[int, bytes], np.ndarray] = {}
        self._drawn: dict[tuple[int, bool], np.ndarray] = {}

    def mean(self, row: np.ndarray) -> Interval:
        """Mean of `row`."""
        return _interval(row, row.mean(), self.means(row))

    def difference(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """Mean of `row` minus mean of `other`."""
        return self.mean_difference([(row, other)])

    def mean_difference(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Interval:
        """Mean over pairs of rows, at least one, of the mean of the first minus the mean of the other."""
        value = np.mean([row.mean() - other.mean() for row, other in pairs])
        resampled = np.mean([self.means(row) - self.means(other) for row, other in pairs], axis=0)
        return _interval(pairs[0][0], value, resampled)

    def share(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """Mean of `row` as a share of the mean of `other`; unknown where that is 0.

        The interval is of the resamples in which it is not 0: on few users some may hold none with a hit.
        """
        of_other = self.means(other)
        is_known = of_other > 0
        if other.mean() == 0:
            return UNKNOWN
        return _interval(row, row.mean() / other.mean(), self.means(row)[is_known] / of_other[is_known])

    def share_above(self, row: np.ndarray, other: np.ndarray, base: np.ndarray) -> Interval:
        """What `row` has above `base`, as a share of what `other` has above it; unknown where that may be nothing."""
        of_base = self.means(base)
        whole = self.means(other) - of_base
        if whole.min() <= 0:
            return UNKNOWN
        value = (row.mean() - base.mean()) / (other.mean() - base.mean())
        return _interval(row, value, (self.means(row) - of_base) / whole)

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of a row in each resample, float64 (resamples,)."""
        key = len(values), np.ascontiguousarray(values, dtype=np.float64).tobytes()
        if key not in self._means:
            self._means[key] = self._resampled(values)
        return self._means[key]

    def _resampled(self, values: np.ndarray) -> np.ndarray:
        n_seeds, n_users = values.shape
        seeds, users = self._draws(n_seeds, of_users=False), self._draws(n_users, of_users=True)
        means = np.empty(self.resamples)
        for start in range(0, self.resamples, RESAMPLES_AT_ONCE):
            block = slice(start, start + RESAMPLES_AT_ONCE)
            means[block] = ((users[block].astype(np.float64) @ values.T) * seeds[block]).sum(1) / values.size
        return means

    def _draws(self, n: int, *, of_users: bool) -> np.ndarray:
        """How often each of n users or seeds is drawn in each resample, uint8 (resamples, n)."""
        if (n, of_users) not in self._drawn:
            generator = np.random.default_rng([self.seed, of_users])
            drawn = np.empty((self.resamples, n), dtype=np.uint8)
            for resample in drawn:
                resample[:] = np.bincount(generator.integers(n, size=n), minlength=n)
            self._drawn[n, of_users] = drawn
        return self._drawn[n, of_users]


def _interval(row: np.ndarray, value: float, resampled: np.ndarray) -> Interval:
    """Of a value of this row's users."""
    low, high = np.quantile(resampled, [0.025, 0.975]) if row.shape[1] > 1 else (nan, nan)
    return Interval(float(value), float(low), float(high))
