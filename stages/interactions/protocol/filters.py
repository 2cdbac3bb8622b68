"""Which users and items have enough interactions."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.interactions.protocol.parts import Parts, Rows


@dataclass(frozen=True)
class Minimums:
    """How many interactions a user, and an item, must have."""

    of_user: int
    of_item: int = 1
    core: bool = False
    """False: items with fewer are dropped, then users, once each, as `filter_triplets` in the notebook of Liang et al.
    2018 does. True: both again, until all that are left have enough (the iterated k-core)."""

    def enough(self, parts: Parts, n_items: int) -> tuple[Parts, int]:
        """The rows that are kept, and the number of rounds in which any were dropped.

        With a cut, what is before it counts; of the other rows all are kept whose user is.

        Parameters
        ----------
        parts : no pair of user and item occurs twice among the rows that count
        n_items : items of the log
        """
        counts = np.zeros(n_items, dtype=np.int64)
        for item in parts.each(lambda rows: _counted(rows).item) if self.of_item > 1 else ():
            counts += np.bincount(item, minlength=n_items)
        rounds = 0
        while self.of_user > 1 or self.of_item > 1:
            dropped = np.zeros(n_items, dtype=np.int64)
            parts = parts.map(partial(self._round, counts=counts), partial(_count, counts=dropped))
            counts -= dropped
            any_dropped = bool(dropped.any())
            rounds += any_dropped
            if not any_dropped or not self.core:
                break
        return parts.map(lambda rows: (_of_users_left(rows), None)), rounds

    def _round(self, rows: Rows, counts: np.ndarray) -> tuple[Rows, np.ndarray]:
        """Drop the rows of items, then of users, with too few; and the items of those dropped that count.

        counts : of each item, before the round
        """
        dropped = [np.empty(0, dtype=np.int32)]
        if self.of_item > 1:
            rows, items = _without(rows, counts[rows.item] < self.of_item)
            dropped.append(items)
        if self.of_user > 1:
            rows, items = _without(
                rows, (np.bincount(_counted(rows).user, minlength=_end(rows)) < self.of_user)[rows.user]
            )
            dropped.append(items)
        return rows, np.concatenate(dropped)


def _without(rows: Rows, too_few: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The other rows, and those that do not count; and the items of those dropped."""
    dropped = too_few if rows.is_past is None else too_few & rows.is_past
    return (rows.where(~dropped), rows.item[dropped]) if dropped.any() else (rows, rows.item[:0])


def _count(items: np.ndarray, counts: np.ndarray) -> None:
    """Add the items to their counts."""
    np.add.at(counts, items, 1)


def _counted(rows: Rows) -> Rows:
    return rows if rows.is_past is None else rows.where(rows.is_past)


def _of_users_left(rows: Rows) -> Rows:
    """Without what comes after the cut of users with nothing before it."""
    if rows.is_past is None:
        return rows
    is_left = np.zeros(_end(rows), dtype=bool)
    is_left[rows.user[rows.is_past]] = True
    return rows.where(rows.is_past | is_left[rows.user])


def _end(rows: Rows) -> int:
    """One above the largest user."""
    return int(rows.user.max(initial=-1)) + 1
