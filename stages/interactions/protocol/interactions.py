"""From files of ratings to interactions: last ratings above the threshold, of users with enough of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.cut import is_before
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.log import Log, read_log
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
    user: np.ndarray
    """int32 (n_interactions,), position in `users`."""
    item: np.ndarray
    """int32 (n_interactions,), position in `items`."""
    timestamp: np.ndarray | None = None
    """datetime64[ns] (n_interactions,), int64 or float64; None where the split does not go by it."""
    is_past: np.ndarray | None = None
    """bool (n_interactions,), before the cut; None without a cut."""

    def __len__(self) -> int:
        return len(self.user)

    def count_of_users(self, ids: np.ndarray) -> np.ndarray:
        """Number of interactions of each of these users, int64; ids : original ids."""
        return _count(self.user, self.users, ids)

    def count_of_items(self, ids: np.ndarray) -> np.ndarray:
        """Number of interactions of each of these items, int64; ids : original ids."""
        return _count(self.item, self.items, ids)


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
    cut : a date or a number, see `is_before`; then interactions get `is_past` in place of timestamps

    Raises
    ------
    UserError
        as `read_log`, and where no interactions are left, or there is no timestamp to go by.
    """
    log = read_log(files, reader, threshold, by_time)
    is_past = _is_past(log, cut) if by_time else None
    user, item, timestamp = log.user, log.item, log.timestamp if by_time and cut is None else None
    n_superseded = 0
    if not log.is_in_order:
        chosen = _last_of_each_pair(log, is_past)
        n_superseded = len(chosen) - int(np.count_nonzero(chosen))
        if log.is_above is not None:
            chosen &= log.is_above
        user, item = user[chosen], item[chosen]
        timestamp, is_past = (_where(values, chosen) for values in (timestamp, is_past))
    kept, n_rounds = minimums.enough(user, item, is_past)
    if not kept.any():
        raise _nothing_left(log.n_rows, len(user) if is_past is None else is_past.sum(), threshold, minimums, cut)
    interactions = Interactions(
        log.users, log.items, user[kept], item[kept], _where(timestamp, kept), _where(is_past, kept)
    )
    return interactions, Counts(log.n_incomplete, log.n_rows, n_superseded, n_rounds)


def _where(values: np.ndarray | None, chosen: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[chosen]


def _is_past(log: Log, cut: str | float | None) -> np.ndarray | None:
    """Whether each row is before the cut; None without a cut."""
    if log.timestamp is None:
        raise UserError("split.kind is time, but the ratings have no timestamp; set kind to users in params.yaml")
    return None if cut is None else is_before(log.timestamp, cut)


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


def _last_of_each_pair(log: Log, is_past: np.ndarray | None) -> np.ndarray:
    """Mask of the last rating of each pair.

    is_past : whether a rating is before the cut, whose two sides are taken by themselves; or None
    """
    pair = log.user.astype(np.int64) * len(log.items) + log.item
    if is_past is not None:
        pair = 2 * pair + is_past
    # Stable, so that ties stay in file order.
    order = np.lexsort((pair,) if log.timestamp is None else (log.timestamp, pair))
    is_last = np.ones(len(pair), dtype=bool)
    is_last[order[:-1]] = pair[order[1:]] != pair[order[:-1]]
    return is_last


def _count(positions: np.ndarray, ids: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Number of occurrences of each chosen id; positions : indices into `ids`, which are sorted."""
    return np.bincount(positions, minlength=len(ids))[np.searchsorted(ids, chosen)]
