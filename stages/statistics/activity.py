"""Quarters of users by their activity, and residual codes that are longer for the more active."""

from itertools import combinations_with_replacement

import numpy as np
from scipy.optimize import isotonic_regression

QUARTERS = 4
TIER_BYTES = 0.25  # two bits that tell a user's quarter, and so the length of the code


def quarter_bounds(lengths: np.ndarray) -> np.ndarray:
    """The three quartiles of users' numbers of interactions, float64 (3,)."""
    return np.quantile(lengths, [0.25, 0.5, 0.75])


def quarters_of(lengths: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """int64 (n,), from 0 for the least active; users with the same number of interactions stay together."""
    return np.searchsorted(bounds, lengths)


def allocate(ndcg: np.ndarray, quarters: np.ndarray, budget: float) -> np.ndarray:
    """How many bytes of a residual code each quarter of users keeps.

    Of all choices that never give a more active quarter fewer bytes and stay within the budget, the one with the
    highest mean NDCG. What a quarter gains by a byte is smoothed first: more bytes are never worse.

    Parameters
    ----------
    ndcg : float64 (n_users, longest code), by the number of bytes from 1
    quarters : int64 (n_users,)
    budget : bytes per user, on average over these users

    Returns
    -------
    int64 (4,)
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
