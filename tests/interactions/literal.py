"""The published protocol (Liang et al. 2018) taken one interaction at a time, as slowly as it is written down."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

Pairs = set[tuple[int, int]]
Rating = tuple[int, int, float, int]
"""User, item, rating, timestamp."""
Row = TypeVar("Row", bound=tuple[Any, ...])
"""Begins with user and item."""


def last_of_each_pair(rows: Iterable[Rating]) -> list[Rating]:
    """Of the ratings of a user and an item the last by timestamp, in its place; the later in the file of equal ones."""
    rows = list(rows)
    latest: dict[tuple[int, int], int] = {}
    for place, (user, item, _, timestamp) in enumerate(rows):
        if (user, item) not in latest or timestamp >= rows[latest[user, item]][3]:
            latest[user, item] = place
    return [row for place, row in enumerate(rows) if latest[row[:2]] == place]


def enough(rows: list[Row], of_user: int, of_item: int = 1, core: bool = False) -> tuple[list[Row], int]:
    """Rows of items, then users, with so many of them, once or again until nothing changes; and the rounds it took."""
    rounds = 0
    while True:
        items = Counter(row[1] for row in rows)
        kept = [row for row in rows if items[row[1]] >= of_item]
        users = Counter(row[0] for row in kept)
        kept = [row for row in kept if users[row[0]] >= of_user]
        if kept == rows:
            return kept, rounds
        rows, rounds = kept, rounds + 1
        if not core:
            return kept, rounds


def split(
    ratings: Iterable[tuple[int, int, float]],
    threshold: float,
    at_least: int,
    held_out_users: int,
    share: float,
    seed: int,
) -> tuple[list[int], list[int], Pairs, list[tuple[Pairs, Pairs]]]:
    """Users, items, train pairs, and (fold-in, held-out) pairs of validation and test; rows of each part from 0."""
    # Step 1: ratings above the threshold, then users with enough of them.
    rows = enough([(user, item) for user, item, rating in ratings if rating > threshold], at_least)[0]
    # Step 2: one permutation of the sorted users; the last are test, those before them validation.
    users = permuted({user for user, _ in rows}, seed)
    number = {user: place for place, user in enumerate(users)}
    n_train = len(users) - 2 * held_out_users
    # Step 3: items of the train users, in order of first appearance.
    column: dict[int, int] = {}
    for user, item in rows:
        if number[user] < n_train:
            column.setdefault(item, len(column))
    train = {(number[user], column[item]) for user, item in rows if number[user] < n_train}
    # Step 4: hold out a share of each user's items, users in the order of their original ids.
    items_of = defaultdict(list)
    for user, item in rows:
        if number[user] >= n_train and item in column:
            items_of[user].append(item)
    parts = []
    for first in (n_train, n_train + held_out_users):
        np.random.seed(seed)
        fold_in: Pairs = set()
        held_out: Pairs = set()
        for user in sorted(users[first : first + held_out_users]):
            mine = items_of[user]
            picked = set()
            if len(mine) >= 5:
                picked = set(np.random.choice(len(mine), size=int(share * len(mine)), replace=False).tolist())
            for position, item in enumerate(mine):
                (held_out if position in picked else fold_in).add((number[user] - first, column[item]))
        parts.append((fold_in, held_out))
    return users, list(column), train, parts


def split_by_time(
    ratings: Iterable[Rating],
    threshold: float,
    at_least: int,
    held_out_users: int,
    share: float,
    seed: int,
    cut: int | None = None,
    of_item: int = 1,
    core: bool = False,
) -> tuple[list[int], list[int], Pairs, list[tuple[Pairs, Pairs]]]:
    """The same, but the last share of a held-out user's items is held out; or with a cut all new ones from it on.

    Raises ValueError where there are too few users.
    """
    ratings = list(ratings)
    # Each side of the cut by itself; without a cut all is past.
    past, future = (
        [row for row in last_of_each_pair(rows) if row[2] > threshold]
        for rows in (
            [row for row in ratings if cut is None or row[3] < cut],
            [row for row in ratings if cut is not None and row[3] >= cut],
        )
    )
    past = enough(past, at_least, of_item, core)[0]
    users = permuted({user for user, *_ in past}, seed)
    if cut is not None:
        known = {row[:2] for row in past}
        new = {row[:2] for row in future} - known
        n_known, n_new = (Counter(user for user, _ in some) for some in (known, new))
        both = [user for user in users if n_new[user] and n_known[user] + n_new[user] >= 5][-2 * held_out_users :]
        users = [user for user in users if user not in both] + both
    if len(users) <= 2 * held_out_users or (cut is not None and len(both) < 2 * held_out_users):
        raise ValueError
    number = {user: place for place, user in enumerate(users)}
    n_train = len(users) - 2 * held_out_users
    column: dict[int, int] = {}
    for user, item, *_ in past:
        if number[user] < n_train:
            column.setdefault(item, len(column))
    train = {(number[user], column[item]) for user, item, *_ in past if number[user] < n_train}
    parts = []
    for first in (n_train, n_train + held_out_users):
        fold_in: Pairs = set()
        held_out: Pairs = set()
        for row, user in enumerate(users[first : first + held_out_users]):
            mine = [rating for rating in past if rating[0] == user and rating[1] in column]
            seen = [item for _, item, _, _ in sorted(mine, key=lambda rating: rating[3])]
            if cut is None:
                n_to_predict = int(share * len(seen)) if len(seen) >= 5 else 0
                seen, to_predict = seen[: len(seen) - n_to_predict], seen[len(seen) - n_to_predict :]
            else:
                to_predict = [item for of, item, *_ in future if of == user and item in column and item not in seen]
                if not seen or len(seen) + len(to_predict) < 5:
                    to_predict = []
            fold_in |= {(row, column[item]) for item in seen}
            held_out |= {(row, column[item]) for item in to_predict}
        parts.append((fold_in, held_out))
    return users, list(column), train, parts


def permuted(users: set[int], seed: int) -> list[int]:
    """In the order of one permutation of the sorted ids, by NumPy's legacy generator."""
    ordered = sorted(users)
    np.random.seed(seed)
    return [ordered[position] for position in np.random.permutation(len(ordered))]
