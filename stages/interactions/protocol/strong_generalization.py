"""From interactions to a split for strong generalization.

The steps follow the protocol of Liang et al. 2018 in their published notebook; users and items are numbered exactly as
there.
"""

import numpy as np
from scipy.sparse import coo_array, csr_array

from stages.interactions.protocol.interactions import Interactions
from stages.interfaces.split import HeldOutUsers, Split
from stages.run.errors import UserError

# All interactions of a user with fewer are fold-in (split_train_test_proportion in the notebook).
FEWEST_TO_HOLD_OUT = 5
ROWS_AT_ONCE = 100_000


def split_strong_generalization(
    interactions: Interactions, held_out_users: int, held_out_share: float, seed: int
) -> Split:
    """Split the users, then the interactions of each held-out user into fold-in and held-out (steps 2 to 4).

    Parameters
    ----------
    interactions : interactions in file order
    held_out_users : number of validation users, and of test users
    held_out_share : share of a held-out user's interactions that are held out
    seed : seed of NumPy's legacy generator, on which the published split depends

    Raises
    ------
    UserError
        where there are too few users, or nothing can be held out.
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
    item = _numbers(items, len(interactions.items))[interactions.item]  # -1 for items not in train
    train = _matrix(user[in_train], item[in_train], n_train, len(items))

    held_out_sets = []
    for first in (n_train, n_train + held_out_users):
        chosen = np.flatnonzero((user >= first) & (user < first + held_out_users) & (item >= 0))
        is_held_out = _choose_held_out(interactions.user[chosen], held_out_share, seed)
        rows, columns = user[chosen] - first, item[chosen]
        held_out_sets.append(
            HeldOutUsers(
                fold_in=_matrix(rows[~is_held_out], columns[~is_held_out], held_out_users, len(items)),
                held_out=_matrix(rows[is_held_out], columns[is_held_out], held_out_users, len(items)),
            )
        )
    if not all(users.held_out.nnz for users in held_out_sets):
        raise UserError(
            f"no user of validation or of test has {FEWEST_TO_HOLD_OUT} interactions with items of the train users, "
            "so nothing can be held out; raise held_out_users in params.yaml, or use more ratings"
        )
    validation, test = held_out_sets
    return Split(train, validation, test, interactions.users[users], interactions.items[items])


def _in_order_of_appearance(values: np.ndarray, n: int) -> np.ndarray:
    """The distinct values, in order of first appearance; values : int32 below n."""
    is_seen, distinct = np.zeros(n, dtype=bool), [values[:0]]
    for start in range(0, len(values), ROWS_AT_ONCE):
        block = values[start : start + ROWS_AT_ONCE]
        new, first = np.unique(block[~is_seen[block]], return_index=True)
        is_seen[new] = True
        distinct.append(new[np.argsort(first)])
    return np.concatenate(distinct)


def _numbers(chosen: np.ndarray, n: int) -> np.ndarray:
    """Position in `chosen` of each number below n, or -1, int32 (n,)."""
    numbers = np.full(n, -1, dtype=np.int32)
    numbers[chosen] = np.arange(len(chosen), dtype=np.int32)
    return numbers


def _choose_held_out(users: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Mask of the held-out interactions; draws are made user by user, in the order of their original ids."""
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
    pairs.has_canonical_format = True  # no pair occurs twice
    return pairs.tocsc().tocsr().astype(np.float32)  # sorts columns within rows, faster than sort_indices
