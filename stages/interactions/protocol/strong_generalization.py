"""From interactions to the splits of strong generalization.

The protocol of Liang et al. 2018 as their published notebook has it, step by step; users and items end up
numbered exactly as there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from stages.interactions.protocol.interactions import Interactions
from stages.run.errors import UserError

# A user left with fewer interactions keeps them all as fold-in (the notebook's split_train_test_proportion).
FEWEST_TO_HOLD_OUT = 5
ROWS_AT_ONCE = 100_000


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


def split_strong_generalization(
    interactions: Interactions, held_out_users: int, held_out_share: float, seed: int
) -> Split:
    """Split by users, then each held-out user's interactions into fold-in and held-out (steps 2 to 4).

    Parameters
    ----------
    interactions : in file order
    held_out_users : users for validation, and as many again for test
    held_out_share : share of a held-out user's interactions to predict
    seed : of NumPy's legacy generator, as the published split depends on it to the bit

    Raises
    ------
    UserError
        where there are too few users.
    """
    sorted_users = np.flatnonzero(np.bincount(interactions.user))
    n_train = len(sorted_users) - 2 * held_out_users
    if n_train < 1:
        raise UserError(
            f"{len(sorted_users):,} users are left after filtering, too few to hold out {held_out_users:,} for "
            f"validation and {held_out_users:,} for test; lower held_out_users in params.yaml"
        )
    users = sorted_users[np.random.RandomState(seed).permutation(len(sorted_users))]
    user = _numbers(users, len(interactions.users))[interactions.user]

    in_train = user < n_train
    items = _in_order_of_appearance(interactions.item[in_train], len(interactions.items))
    item = _numbers(items, len(interactions.items))[interactions.item]  # -1: not in train
    train = _matrix(user[in_train], item[in_train], n_train, len(items))

    parts = []
    for first in (n_train, n_train + held_out_users):
        chosen = np.flatnonzero((user >= first) & (user < first + held_out_users) & (item >= 0))
        is_held_out = _choose_held_out(interactions.user[chosen], held_out_share, seed)
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
    return Split(train, parts[0], parts[1], interactions.users[users], interactions.items[items])


def _in_order_of_appearance(values: np.ndarray, n: int) -> np.ndarray:
    """The distinct values; values : int32 below n."""
    is_seen, found = np.zeros(n, dtype=bool), [values[:0]]
    for start in range(0, len(values), ROWS_AT_ONCE):
        part = values[start : start + ROWS_AT_ONCE]
        new, first = np.unique(part[~is_seen[part]], return_index=True)
        is_seen[new] = True
        found.append(new[np.argsort(first)])
    return np.concatenate(found)


def _numbers(chosen: np.ndarray, n: int) -> np.ndarray:
    """int32 (n,): the place of each in `chosen`, or -1."""
    numbers = np.full(n, -1, dtype=np.int32)
    numbers[chosen] = np.arange(len(chosen), dtype=np.int32)
    return numbers


def _choose_held_out(users: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Mark the held-out interactions; the draws go through the users in the order of their original ids."""
    generator = np.random.RandomState(seed)
    order = np.argsort(users, kind="stable")  # each user's interactions stay in file order
    is_held_out = np.zeros(len(users), dtype=bool)
    start = 0
    for count in np.bincount(users).tolist():
        if count >= FEWEST_TO_HOLD_OUT:
            picked = generator.choice(count, size=int(share * count), replace=False)
            is_held_out[order[start + picked]] = True
        start += count
    return is_held_out


def _matrix(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> csr_array:
    pairs = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n_rows, n_columns))
    pairs.has_canonical_format = True  # no pair is there twice
    return pairs.tocsc().tocsr().astype(np.float32)  # sorts the columns of a row, and faster than sort_indices
