"""From interactions to a split for strong generalization.

The steps follow the protocol of Liang et al. 2018 in their published notebook; users and items are numbered exactly as
there.
"""

import math

import numpy as np
from scipy.sparse import coo_array, csr_array

from stages.interactions.protocol import hold_out
from stages.interactions.protocol.interactions import Interactions
from stages.interfaces.split import HeldOutUsers, Split
from stages.run.errors import UserError

ROWS_AT_ONCE = 100_000


def split_strong_generalization(
    interactions: Interactions, held_out_users: int, held_out_share: float | None, seed: int
) -> Split:
    """Split the users, then the interactions of each held-out user into fold-in and held-out (steps 2 to 4).

    What is held out of a user is drawn at random; where interactions have a timestamp, it is the last ones. With a cut
    it is what comes after it, only users who have interactions on both sides are held out, and training ends there.

    Parameters
    ----------
    interactions : interactions in file order
    held_out_users : number of validation users, and of test users
    held_out_share : share of a held-out user's interactions that are held out; None where there is a cut
    seed : seed of NumPy's legacy generator, on which the published split depends

    Raises
    ------
    UserError
        where there are too few users, or nothing can be held out.
    """
    is_past = interactions.is_past
    users = _in_order_of_parts(interactions, held_out_users, seed)
    n_train = len(users) - 2 * held_out_users
    user = _numbers(users, len(interactions.users))[interactions.user]

    in_train = user < n_train if is_past is None else (user < n_train) & is_past
    items = _in_order_of_appearance(interactions.item[in_train], len(interactions.items))
    item = _numbers(items, len(interactions.items))[interactions.item]  # -1 for items not in train
    train = _matrix(user[in_train], item[in_train], n_train, len(items))

    held_out_sets = []
    for name, first in (("validation", n_train), ("test", n_train + held_out_users)):
        chosen = np.flatnonzero((user >= first) & (user < first + held_out_users) & (item >= 0))
        is_held_out = _is_held_out(interactions, chosen, held_out_share, seed)
        if not is_held_out.any():
            raise _nothing_to_predict(name, interactions.user[chosen], held_out_share)
        is_fold_in = ~is_held_out if is_past is None else is_past[chosen]
        rows, columns = user[chosen] - first, item[chosen]
        held_out_sets.append(
            HeldOutUsers(
                fold_in=_matrix(rows[is_fold_in], columns[is_fold_in], held_out_users, len(items)),
                held_out=_matrix(rows[is_held_out], columns[is_held_out], held_out_users, len(items)),
            )
        )
    validation, test = held_out_sets
    return Split(train, validation, test, interactions.users[users], interactions.items[items])


def _in_order_of_parts(interactions: Interactions, held_out_users: int, seed: int) -> np.ndarray:
    """The users of train, of validation and of test, as positions : int64; parameters and errors as above."""
    sorted_users = np.flatnonzero(np.bincount(interactions.user))
    users = sorted_users[np.random.RandomState(seed).permutation(len(sorted_users))]
    candidates, who = np.arange(len(users)), ""
    if interactions.is_past is not None:
        is_after = hold_out.from_cut_on(interactions.user, interactions.item, interactions.is_past)
        candidates = np.flatnonzero(np.isin(users, interactions.user[is_after]))
        who = f", {len(candidates):,} with interactions before split.cut and others after"
    held_out = candidates[-2 * held_out_users :]
    if len(held_out) < 2 * held_out_users or len(users) == len(held_out):
        raise UserError(
            f"{len(users):,} users are left after filtering{who}, too few to hold out {held_out_users:,} for "
            f"validation and {held_out_users:,} for test; lower held_out_users in params.yaml"
        )
    return np.concatenate([np.delete(users, held_out), users[held_out]])


def _is_held_out(interactions: Interactions, chosen: np.ndarray, share: float | None, seed: int) -> np.ndarray:
    """Mask of the held-out ones among the chosen interactions; chosen : their positions."""
    user = interactions.user[chosen]
    if interactions.is_past is not None:
        return hold_out.from_cut_on(user, interactions.item[chosen], interactions.is_past[chosen])
    assert share is not None, "without a cut a share is held out"
    if interactions.timestamp is not None:
        return hold_out.last(user, interactions.timestamp[chosen], share)
    return hold_out.at_random(user, share, seed)


def _nothing_to_predict(name: str, users: np.ndarray, share: float | None) -> UserError:
    """Why nothing is held out of a part; users : of its interactions."""
    most = np.bincount(users).max(initial=0)
    if share is None:
        return UserError(
            f"no {name} user has interactions before split.cut and others after, {hold_out.FEWEST_TO_HOLD_OUT} in all, "
            "with items that the train users have before it, so nothing can be held out; set another cut, or raise "
            "held_out_users, in params.yaml"
        )
    if most < hold_out.FEWEST_TO_HOLD_OUT:
        return UserError(
            f"no {name} user has {hold_out.FEWEST_TO_HOLD_OUT} interactions with items of the train users, so nothing "
            "can be held out; raise held_out_users in params.yaml, or use more ratings"
        )
    return UserError(
        f"no {name} user has enough interactions for a held_out_share of {share} to be one whole item: the most, with "
        f"items of the train users, are {most}; raise held_out_share in params.yaml to {math.ceil(100 / most) / 100}"
    )


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


def _matrix(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> csr_array:
    pairs = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n_rows, n_columns))
    pairs.has_canonical_format = True  # no pair occurs twice
    return pairs.tocsc().tocsr().astype(np.float32)  # sorts columns within rows, faster than sort_indices
