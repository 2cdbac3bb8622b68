"""From files of ratings to interactions: last ratings above the threshold, of users with enough of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.cut import first_not_before, is_before
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.log import Log, read_log
from stages.interactions.protocol.parts import Parts, Rows
from stages.interactions.protocol.spill import Spill, spilled_log
from stages.run.errors import UserError


@dataclass(frozen=True)
class Interactions:
    """Distinct pairs of user and item, in the order of `Log`.

    Users and items are numbered in the sorted order of their ids, so that later steps do not depend on the type of id.
    """

    users: np.ndarray
    """Original ids of the users, int64 or str, sorted; a user may have no interaction."""
    items: np.ndarray
    """Original ids of the items, likewise."""
    parts: Parts
    """The interactions; with timestamps where the split goes by them, and `is_past` where there is a cut."""

    def of_users(self) -> np.ndarray:
        """Number of interactions of each user, int64 (n_users,)."""
        return self._counts(lambda rows: rows.user, len(self.users))

    def of_items(self) -> np.ndarray:
        """Number of interactions of each item, int64 (n_items,)."""
        return self._counts(lambda rows: rows.item, len(self.items))

    def _counts(self, column: Callable[[Rows], np.ndarray], n: int) -> np.ndarray:
        counts = np.zeros(n, dtype=np.int64)
        for of_part in self.parts.each(lambda rows: np.bincount(column(rows), minlength=n)):
            counts += of_part
        return counts


class Counts(NamedTuple):
    """What became of the ratings."""

    incomplete_rows: int
    """Left out because they lack a value."""
    ratings: int
    """Complete rows, before any filter."""
    superseded_ratings: int
    """Left out because the same user rated the same item later."""
    filter_rounds: int
    """Rounds of `Minimums` in which any were dropped."""


def read_interactions(
    files: list[Path],
    reader: Reader,
    threshold: float | None,
    minimums: Minimums,
    by_time: bool = False,
    cut: str | float | None = None,
    spill: Spill | None = None,
) -> tuple[Interactions, Counts]:
    """Read files of ratings as one, and filter them to interactions (protocol, step 1), in the order of `Log`.

    If a user rated an item more than once, only the last rating by timestamp counts. Without timestamps, and for equal
    ones, the last rating in the files counts. With a cut, this and the filters hold for what is before the cut by
    itself, as nothing else was known then.

    Parameters
    ----------
    files, reader : files of one format, and its reader
    threshold : a rating above it is an interaction; None if there are no ratings, and every row is an interaction
    minimums : whoever has fewer interactions is dropped
    by_time : whether interactions get timestamps
    cut : a date or a number, see `first_not_before`; then interactions get `is_past` in place of timestamps
    spill : where parts of a log go that is larger than memory; None keeps it in memory. The interactions are the same

    Raises
    ------
    UserError
        as `read_log`, and where no interactions are left, or there is no timestamp to go by.
    """
    log = spilled_log(files, reader, threshold, spill) if spill else read_log(files, reader, threshold, by_time)
    limit = _limit(log, cut) if by_time else None
    left_out: list[tuple[int, int]] = []
    rated = log.parts.map(lambda rows: _rated(rows, len(log.items), log.is_in_order, limit, by_time), left_out.append)
    parts, n_rounds = minimums.enough(rated, len(log.items))
    n_superseded, n_counted = (sum(counts) for counts in zip(*left_out, strict=True))
    if not any(parts.each(len)):
        raise _nothing_left(log.n_rows, n_counted, threshold, minimums, cut)
    return Interactions(log.users, log.items, parts), Counts(log.n_incomplete, log.n_rows, n_superseded, n_rounds)


def _limit(log: Log, cut: str | float | None) -> int | np.float64 | None:
    """The first timestamp that is not before the cut; None without one."""
    ranges = list(log.parts.each(_range_of_times))
    if any(of_part is None for of_part in ranges):
        raise UserError("split.kind is time, but the ratings have no timestamp; set kind to users in params.yaml")
    ends = np.concatenate([of_part for of_part in ranges if of_part is not None])
    return None if cut is None or not len(ends) else first_not_before(cut, ends)


def _range_of_times(rows: Rows) -> np.ndarray | None:
    """The earliest and the latest timestamp, of an empty part none; None without timestamps."""
    if rows.timestamp is None or not len(rows):
        return rows.timestamp
    return np.array([rows.timestamp.min(), rows.timestamp.max()])


def _rated(
    rows: Rows, n_items: int, is_in_order: bool, limit: int | np.float64 | None, by_time: bool
) -> tuple[Rows, tuple[int, int]]:
    """The interactions of a part; how many ratings were superseded, and how many others count towards the minimums."""
    if limit is not None and rows.timestamp is not None:
        rows = replace(rows, is_past=is_before(rows.timestamp, limit))
    n_superseded = 0
    if not is_in_order:
        chosen = _last_of_each_pair(rows, n_items)
        n_superseded = len(chosen) - int(np.count_nonzero(chosen))
        if rows.is_above is not None:
            chosen &= rows.is_above
        rows = rows.without("is_above", *(() if by_time and limit is None else ("timestamp",))).where(chosen)
    elif limit is not None:
        rows = rows.without("timestamp")
    return rows, (n_superseded, len(rows) if rows.is_past is None else int(rows.is_past.sum()))


def _nothing_left(
    n_ratings: int, n_counted: int, threshold: float | None, minimums: Minimums, cut: str | float | None
) -> UserError:
    where = "" if cut is None else f" before the cut ({cut})"
    above = "" if threshold is None else f" {n_counted:,} are above the threshold {threshold}{where}, and"
    items = "" if minimums.of_item == 1 else f" with items that have {minimums.of_item}"
    lower = [*(() if threshold is None else ("threshold",)), "min_user_interactions"]
    lower += [] if minimums.of_item == 1 else ["min_item_interactions"]
    return UserError(
        f"nothing is left of {n_ratings:,} ratings:{above} no user has {minimums.of_user} of them{items}"
        f"{where if threshold is None else ''}; lower {' or '.join(lower)} in params.yaml"
    )


def _last_of_each_pair(rows: Rows, n_items: int) -> np.ndarray:
    """Mask of the last rating of each pair; the two sides of a cut are taken by themselves."""
    pair = rows.user.astype(np.int64) * n_items + rows.item
    if rows.is_past is not None:
        pair = 2 * pair + rows.is_past
    is_last = np.ones(len(pair), dtype=bool)
    ascending = np.sort(pair)  # takes a quarter of the time that it takes to sort the rows
    several = ascending[1:][ascending[1:] == ascending[:-1]]
    chosen = np.arange(len(pair))
    if len(several) < len(pair) / 16:  # most rows are alone with their pair
        chosen = np.flatnonzero(_are_in(np.unique(several), pair))
    pair = pair[chosen]
    # Stable, so that ties stay in file order.
    order = np.lexsort((pair,) if rows.timestamp is None else (rows.timestamp[chosen], pair))
    is_last[chosen[order[:-1]]] = pair[order[1:]] != pair[order[:-1]]
    return is_last


def _are_in(few: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mask of the values that are among a few, sorted ones; np.isin would sort all of them."""
    if not len(few):
        return np.zeros(len(values), dtype=bool)
    return few.take(np.searchsorted(few, values), mode="clip") == values
