"""The published protocol (Liang et al. 2018) taken one interaction at a time, as slowly as it is written down."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

Pairs = set[tuple[int, int]]
Rating = tuple[int, int, float, int]
"""User, item, rating, timestamp."""


def last_of_each_pair(rows: Iterable[Rating]) -> list[tuple[int, int, float]]:
    """Of the ratings of a user and an item the last by timestamp, in its place; the later in the file of equal ones."""
    rows = list(rows)
    latest: dict[tuple[int, int], int] = {}
    for place, (user, item, _, timestamp) in enumerate(rows):
        if (user, item) not in latest or timestamp >= rows[latest[user, item]][3]:
            latest[user, item] = place
    return [(user, item, rating) for place, (user, item, rating, _) in enumerate(rows) if latest[user, item] == place]


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
    rows = [(user, item) for user, item, rating in ratings if rating > threshold]
    counts = Counter(user for user, _ in rows)
    rows = [(user, item) for user, item in rows if counts[user] >= at_least]
    # Step 2: one permutation of the sorted users; the last are test, those before them validation.
    users = sorted({user for user, _ in rows})
    np.random.seed(seed)
    users = [users[position] for position in np.random.permutation(len(users))]
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
