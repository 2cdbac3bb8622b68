"""Comparison of two rows, paired by user, so that most of the variance between users cancels."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

RESAMPLES_AT_ONCE = 100  # bounds the memory for data sets with many users


class Interval(NamedTuple):
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Bootstrap(NamedTuple):
    """Settings of the bootstrap, and the comparisons made with it."""

    resamples: int
    """Number of resamples of the users, with replacement."""
    seed: int
    """Seed of the resamples."""

    def share(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """Ratio of the means of two rows over the same users, by paired percentile bootstrap.

        Parameters
        ----------
        row, other : float64 (n_users,), values of the same users in the same order
        """
        return self._interval(lambda one, two, axis: one.mean(axis) / two.mean(axis), row, other)

    def difference(self, row: np.ndarray, other: np.ndarray) -> Interval:
        """Mean of `row` minus mean of `other` over the same users, by paired percentile bootstrap.

        Parameters
        ----------
        row, other : float64 (n_users,), values of the same users in the same order
        """
        return self._interval(lambda one, two, axis: one.mean(axis) - two.mean(axis), row, other)

    def _interval(self, statistic: Callable[..., np.ndarray], row: np.ndarray, other: np.ndarray) -> Interval:
        interval = bootstrap(
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
        low, high = interval.confidence_interval
        return Interval(float(statistic(row, other, -1)), float(low), float(high))
