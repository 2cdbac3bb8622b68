"""Comparing two rows user by user: most of the variance between users cancels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

RESAMPLES_AT_ONCE = 100  # to bound the memory that many users take


class Interval(NamedTuple):
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Bootstrap(NamedTuple):
    """How confidence intervals are drawn."""

    resamples: int
    """Of the users, with replacement."""
    seed: int

    def share(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """What a row keeps of another: the ratio of their means over the same users, by paired percentile bootstrap.

        Parameters
        ----------
        row, other : float64 (n_users,), of the same users in the same order
        """
        return self._interval(lambda one, two, axis: one.mean(axis) / two.mean(axis), row, other)

    def difference(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """Mean difference of a row to another over the same users, by paired percentile bootstrap.

        Parameters
        ----------
        row, other : float64 (n_users,), of the same users in the same order
        """
        return self._interval(lambda one, two, axis: one.mean(axis) - two.mean(axis), row, other)

    def _interval(self, statistic: Callable[..., np.ndarray], row: np.ndarray, other: np.ndarray) -> Interval:
        found = bootstrap(
            (row, other),
            statistic,
            n_resamples=self.resamples,
            batch=RESAMPLES_AT_ONCE,
            vectorized=True,
            paired=True,
            confidence_level=0.95,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        )
        low, high = found.confidence_interval
        return Interval(float(statistic(row, other, -1)), float(low), float(high))
