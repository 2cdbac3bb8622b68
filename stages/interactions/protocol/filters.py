"""Which users and items have enough interactions."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from stages.interactions.protocol.parts import Parts, Rows


class _Dropped(NamedTuple):
    """What a round dropped of a part."""

    n_rows: int
    of_items: np.ndarray
    """int64 (n_items,), how many interactions of each item."""


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
        if self.of_item > 1:
            counts += sum(parts.each(lambda rows: np.bincount(_counted(rows).item, minlength=n_items)))
        rounds = 0
        while self.of_user > 1 or self.of_item > 1:
            parts, dropped = parts.map(partial(self._round, counts=counts))
            counts -= sum(of_items for _, of_items in dropped)
            any_dropped = any(n_rows for n_rows, _ in dropped)
            rounds += any_dropped
            if not any_dropped or not self.core:
                break
        return parts.map(lambda rows: (_of_users_left(rows), None))[0], rounds

    def _round(self, rows: Rows, counts: np.ndarray) -> tuple[Rows, _Dropped]:
        """Drop the rows of items, then of users, with too few; counts : of each item, before."""
        n_items, before = len(counts), _counted(rows)
        if self.of_item > 1:
            rows = _kept(rows, counts[rows.item] >= self.of_item)
        if self.of_user > 1:
            rows = _kept(rows, (np.bincount(_counted(rows).user, minlength=_end(rows)) >= self.of_user)[rows.user])
        after, of_items = _counted(rows), np.zeros(n_items, dtype=np.int64)
        if self.core and self.of_item > 1 and len(after) < len(before):
            of_items = np.bincount(before.item, minlength=n_items) - np.bincount(after.item, minlength=n_items)
        return rows, _Dropped(len(before) - len(after), of_items)


def _kept(rows: Rows, enough: np.ndarray) -> Rows:
    kept = enough if rows.is_past is None else enough | ~rows.is_past
    return rows if kept.all() else rows.where(kept)


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
