"""From ratings to interactions, and from interactions to the splits of strong generalization.

The protocol of Liang et al. 2018 as their published notebook has it, step by step; users and items end up
numbered exactly as there.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from stages.errors import UserError

# A user left with fewer interactions keeps them all as fold-in (the notebook's split_train_test_proportion).
FEWEST_TO_HOLD_OUT = 5


@dataclass(frozen=True)
class HeldOutUsers:
    """Users that training never sees. Row u of both matrices is the same user."""

    fold_in: csr_array
    """(n_users, n_items) float32, 0/1: what the model is shown."""
    held_out: csr_array
    """(n_users, n_items) float32, 0/1: what it has to predict; empty rows are left out of every mean."""


@dataclass(frozen=True)
class Split:
    """The data of one experiment."""

    train: csr_array
    """(n_train_users, n_items) float32, 0/1."""
    validation: HeldOutUsers
    test: HeldOutUsers
    users: np.ndarray
    """Original ids of all users: train, then validation, then test, each in the order of its rows."""
    items: np.ndarray
    """(n_items,) original ids, in the order of the columns."""


def find_interactions(ratings: pd.DataFrame, threshold: float, min_user_interactions: int) -> pd.DataFrame:
    """Keep the ratings above the threshold, then the users with enough of them (step 1); order is kept.

    Parameters
    ----------
    ratings : DataFrame with columns user, item, rating

    Raises
    ------
    UserError
        where nothing is left.
    """
    liked = ratings[ratings["rating"] > threshold]
    per_user = liked["user"].map(liked["user"].value_counts())
    interactions = liked[per_user >= min_user_interactions].reset_index(drop=True)
    if interactions.empty:
        raise UserError(
            f"nothing is left of {len(ratings):,} ratings: {len(liked):,} are above the threshold {threshold}, and "
            f"no user has {min_user_interactions} of them; lower threshold or min_user_interactions in params.yaml"
        )
    return interactions


def split_strong_generalization(
    interactions: pd.DataFrame, held_out_users: int, held_out_share: float, seed: int
) -> Split:
    """Split by users, then each held-out user's interactions into fold-in and held-out (steps 2 to 4).

    Parameters
    ----------
    interactions : DataFrame with columns user and item, no pair twice, in file order
    held_out_users : users for validation, and as many again for test
    held_out_share : share of a held-out user's interactions to predict
    seed : of NumPy's legacy generator, as the published split depends on it to the bit

    Raises
    ------
    UserError
        where there are too few users.
    """
    sorted_users = np.unique(interactions["user"])
    n_train = len(sorted_users) - 2 * held_out_users
    if n_train < 1:
        raise UserError(
            f"{len(sorted_users):,} users are left after filtering, too few to hold out {held_out_users:,} for "
            f"validation and {held_out_users:,} for test; lower held_out_users in params.yaml"
        )
    users = sorted_users[np.random.RandomState(seed).permutation(len(sorted_users))]
    user_number = pd.Series(np.arange(len(users)), index=users)
    user = interactions["user"].map(user_number).to_numpy()

    in_train = user < n_train
    original_item = interactions["item"].to_numpy()
    items = pd.unique(original_item[in_train])  # in order of first appearance
    item = pd.Index(items).get_indexer(pd.Index(original_item))  # -1: not in train
    train = _matrix(user[in_train], item[in_train], n_train, len(items))

    original = interactions["user"].to_numpy()
    parts = []
    for first in (n_train, n_train + held_out_users):
        chosen = (user >= first) & (user < first + held_out_users) & (item >= 0)
        is_held_out = _choose_held_out(original[chosen], held_out_share, seed)
        rows, columns = user[chosen] - first, item[chosen]
        parts.append(
            HeldOutUsers(
                fold_in=_matrix(rows[~is_held_out], columns[~is_held_out], held_out_users, len(items)),
                held_out=_matrix(rows[is_held_out], columns[is_held_out], held_out_users, len(items)),
            )
        )
    if not all(part.held_out.nnz for part in parts):
        raise UserError(
            f"no user of validation or of test has {FEWEST_TO_HOLD_OUT} interactions with items of the train users, "
            "so nothing can be held out; raise held_out_users in params.yaml, or use more ratings"
        )
    return Split(train, parts[0], parts[1], users, items)


def _choose_held_out(users: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Mark the held-out interactions. The order of the draws is the protocol: users by sorted original id."""
    generator = np.random.RandomState(seed)
    order = np.argsort(users, kind="stable")  # each user's interactions stay in file order
    counts = np.unique(users, return_counts=True)[1]
    is_held_out = np.zeros(len(users), dtype=bool)
    start = 0
    for count in counts:
        if count >= FEWEST_TO_HOLD_OUT:
            picked = generator.choice(count, size=int(share * count), replace=False)
            is_held_out[order[start + picked]] = True
        start += count
    return is_held_out


def _matrix(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> csr_array:
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = csr_array((ones, (rows, columns)), shape=(n_rows, n_columns))
    matrix.sort_indices()
    return matrix
