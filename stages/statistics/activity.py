"""Quarters of users by activity, and longer residual codes for more active users."""

from itertools import combinations_with_replacement

import numpy as np
from scipy.optimize import isotonic_regression

QUARTERS = 4
TIER_BYTES = 0.25  # two bits for the user's quarter, which gives the length of the code


def quarter_bounds(lengths: np.ndarray) -> np.ndarray:
    """Quartiles of the users' numbers of interactions, float64 (3,); lengths : int64 (n_users,)."""
    return np.quantile(lengths, [0.25, 0.5, 0.75])


def quarters_of(lengths: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Quarter of each user, int64 (n_users,), from 0 for the least active; equal lengths give equal quarters."""
    return np.searchsorted(bounds, lengths)


def allocate(ndcg: np.ndarray, quarters: np.ndarray, budget: float) -> np.ndarray:
    """Choose how many bytes of a residual code are stored for each quarter of users.

    The choice has the highest mean NDCG of all that are within the budget and give no quarter fewer bytes than a less
    active one. Each quarter's NDCG is first made non-decreasing in the number of bytes, by isotonic regression.

    Parameters
    ----------
    ndcg : float64 (n_users, longest code), NDCG with 1, 2, … bytes
    quarters : int64 (n_users,), quarter of each user, from 0
    budget : mean bytes per user, over these users

    Returns
    -------
    int64 (4,), bytes for each quarter

    Raises
    ------
    ValueError
        where the budget is less than 1 byte per user.
    """
    shares = np.bincount(quarters, minlength=QUARTERS) / len(quarters)
    longest = ndcg.shape[1]
    gained = np.stack(
        [
            share * isotonic_regression(ndcg[quarters == quarter].mean(0)).x if share else np.zeros(longest)
            for quarter, share in enumerate(shares)
        ]
    )  # (4, longest)
    choices = np.array(list(combinations_with_replacement(range(1, longest + 1), QUARTERS)))
    size = choices @ shares
    value = gained[np.arange(QUARTERS), choices - 1].sum(1)
    affordable = np.flatnonzero(size <= budget)
    if not len(affordable):
        raise ValueError(f"a budget of {budget} bytes is less than one byte each")
    best = affordable[np.lexsort((size[affordable], -value[affordable].round(12)))[0]]
    return choices[best]
