"""Comparing two rows user by user: most of the variance between users cancels."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Difference(NamedTuple):
    """Mean over the same users of one row's metric minus another's."""

    mean: float
    standard_error: float


def compare(row: pd.Series, other: pd.Series) -> Difference:
    """Paired difference of a metric.

    Parameters
    ----------
    row, other : float64 (n_users,), the same users in the same order
    """
    difference = np.asarray(row) - np.asarray(other)
    return Difference(float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference))))
