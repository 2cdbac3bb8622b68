"""From interactions to a split for strong generalization.

The steps follow the protocol of Liang et al. 2018 in their published notebook; users and items are numbered exactly as
there.
"""

import math
from functools import reduce

import numpy as np

from stages.interactions.protocol import hold_out
from stages.interactions.protocol.interactions import Interactions
from stages.interactions.protocol.parts import Rows, joined, matrix_of
from stages.interfaces.split import HeldOutUsers, Split
from stages.run.errors import UserError

ROWS_AT_ONCE = 100_000
NOWHERE = np.iinfo(np.int64).max


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
    parts, n_items = interactions.parts, len(interactions.items)
    users = _in_order_of_sets(interactions, held_out_users, seed)
    n_train = len(users) - 2 * held_out_users
    number = _numbers(users, len(interactions.users))

    def of_train(rows: Rows) -> Rows:
        in_train = number[rows.user] < n_train
        return rows.where(in_train if rows.is_past is None else in_train & rows.is_past)

    first_rows = reduce(np.minimum, parts.each(lambda rows: _first_rows(of_train(rows), n_items)))
    items = np.argsort(first_rows, kind="stable")[: np.count_nonzero(first_rows != NOWHERE)]
    column = _numbers(items, n_items)  # -1 for items not in train

    def of_held_out(rows: Rows) -> Rows:
        return rows.where((number[rows.user] >= n_train) & (column[rows.item] >= 0))

    held_out = joined(parts.each(of_held_out))
    sets = []
    for name, first in (("validation", n_train), ("test", n_train + held_out_users)):
        user = number[held_out.user]
        chosen = held_out.where((user >= first) & (user < first + held_out_users))
        is_held_out = _is_held_out(chosen, held_out_share, seed)
        if not is_held_out.any():
            raise _nothing_to_predict(name, chosen.user, held_out_share)
        is_fold_in = ~is_held_out if chosen.is_past is None else chosen.is_past
        fold_in, wanted = (
            matrix_of(number[rows.user] - first, column[rows.item], held_out_users, len(items))
            for rows in (chosen.where(is_fold_in), chosen.where(is_held_out))
        )
        sets.append(HeldOutUsers(fold_in, wanted))

    def pairs_of_train(rows: Rows) -> tuple[Rows, None]:
        chosen = of_train(rows)
        return Rows(number[chosen.user], column[chosen.item]), None

    pairs = parts.map(pairs_of_train, keep=True)
    train = pairs.matrix(n_train, len(items))
    validation, test = sets
    return Split(train, validation, test, interactions.users[users], interactions.items[items])


def _in_order_of_sets(interactions: Interactions, held_out_users: int, seed: int) -> np.ndarray:
    """The users of train, of validation and of test, as positions : int64; parameters and errors as above."""
    sorted_users = np.flatnonzero(interactions.of_users())
    users = sorted_users[np.random.RandomState(seed).permutation(len(sorted_users))]
    candidates, who = np.arange(len(users)), ""
    after = [found for found in interactions.parts.each(_users_after_the_cut) if found is not None]
    if after:
        candidates = np.flatnonzero(np.isin(users, np.concatenate(after)))
        who = f", {len(candidates):,} with interactions before split.cut and others after"
    held_out = candidates[-2 * held_out_users :]
    if len(held_out) < 2 * held_out_users or len(users) == len(held_out):
        raise UserError(
            f"{len(users):,} users are left after filtering{who}, too few to hold out {held_out_users:,} for "
            f"validation and {held_out_users:,} for test; lower held_out_users in params.yaml"
        )
    return np.concatenate([np.delete(users, held_out), users[held_out]])


def _users_after_the_cut(rows: Rows) -> np.ndarray | None:
    """Those who can be held out; None without a cut."""
    if rows.is_past is None:
        return None
    return np.unique(rows.user[hold_out.from_cut_on(rows.user, rows.item, rows.is_past)])


def _is_held_out(rows: Rows, share: float | None, seed: int) -> np.ndarray:
    """Mask of the held-out ones among the interactions of a set."""
    if rows.is_past is not None:
        return hold_out.from_cut_on(rows.user, rows.item, rows.is_past)
    assert share is not None, "without a cut a share is held out"
    if rows.timestamp is not None:
        return hold_out.last(rows.user, rows.timestamp, share)
    return hold_out.at_random(rows.user, share, seed)


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


def _first_rows(rows: Rows, n_items: int) -> np.ndarray:
    """The first row of each item, int64 (n_items,); `NOWHERE` where there is none."""
    first = np.full(n_items, NOWHERE)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows.item[start : start + ROWS_AT_ONCE]
        places = np.flatnonzero(first[block] == NOWHERE)
        new, earliest = np.unique(block[places], return_index=True)
        places = start + places[earliest]
        first[new] = places if rows.row is None else rows.row[places]
    return first


def _numbers(chosen: np.ndarray, n: int) -> np.ndarray:
    """Position in `chosen` of each number below n, or -1, int32 (n,)."""
    numbers = np.full(n, -1, dtype=np.int32)
    numbers[chosen] = np.arange(len(chosen), dtype=np.int32)
    return numbers
