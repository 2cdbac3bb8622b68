"""What every way of scoring takes and gives, and what it checks."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np

from stages.run.errors import UserError

NO_ITEM = -1


class Top(NamedTuple):
    """The best items of each user."""

    items: np.ndarray
    """int64 (n_users, n), columns, best first; ties by column; -1 where a user has fewer items left."""
    scores: np.ndarray
    """float32 (n_users, n); -inf there."""


class Seen(NamedTuple):
    """The items that are left out, user after user, doubled or not."""

    items: np.ndarray
    """int64 (n_seen,), columns."""
    starts: np.ndarray
    """int64 (n_users + 1,), where each user's begin in `items`, and the end."""


class Scorer(Protocol):
    """Ranks the items of a package for users of whom only the codes are known."""

    name: str
    """dense, tables or approximate."""
    memory_bytes: int
    """What it holds beyond the package."""

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """The best items of some users.

        Parameters
        ----------
        codes : uint8 (n_users, n_bytes)
        n : items a user, from 1 to all
        seen : per user the columns that are left out, in any order, doubled or not; None leaves nothing out

        Raises
        ------
        UserError
            if the codes are not the package's, if there are fewer than `n` items, or if `seen` is of other users or has
            an unknown column.
        """
        ...


def check_codes(codes: np.ndarray, n_bytes: int) -> None:
    """Raises UserError unless `codes` is uint8 (n_users, n_bytes)."""
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != n_bytes:
        shape = " × ".join(map(str, codes.shape))
        raise UserError(
            f"codes of {codes.dtype} ({shape}) where the package's are uint8 (users × {n_bytes} bytes): take codes of"
            " this package"
        )


def check_n(n: int, n_items: int) -> None:
    """Raises UserError unless there are `n` items."""
    if not 1 <= n <= n_items:
        raise UserError(f"a list of {n:,} items where the package has {n_items:,}: ask for 1 to {n_items:,}")


def check_seen(seen: Sequence[np.ndarray] | None, n_users: int, n_items: int) -> Seen:
    """What is left out, in one array.

    Raises
    ------
    UserError
        if `seen` is of another number of users, or has an unknown column.
    """
    if seen is None:
        return Seen(np.zeros(0, np.int64), np.zeros(n_users + 1, np.int64))
    if len(seen) != n_users:
        raise UserError(
            f"items to leave out of {len(seen):,} users, but codes of {n_users:,}: give both of the same users"
        )
    starts = np.array([0, *accumulate(map(len, seen))])
    items = np.concatenate(seen).astype(np.int64, copy=False) if starts[-1] else np.zeros(0, np.int64)
    if len(items) and items.view(np.uint64).max() >= n_items:  # a negative number is a large one, too
        wrong = int(items[(items < 0) | (items >= n_items)][0])
        raise UserError(
            f"item {wrong} is to be left out, but the package's columns are 0 to {n_items - 1}: map the ids of items to"
            " columns of this package"
        )
    return Seen(items, starts)
