"""What is to be predicted of held-out users: interactions drawn at random, the last ones, or those after a cut."""

import numpy as np

# Nothing of a user with fewer interactions is held out (split_train_test_proportion in the notebook).
FEWEST_TO_HOLD_OUT = 5


def at_random(users: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Mask of the held-out interactions; draws are made user by user, in the order of their original ids."""
    generator = np.random.RandomState(seed)
    order = np.argsort(users, kind="stable")  # each user's interactions stay in file order
    is_held_out = np.zeros(len(users), dtype=bool)
    start = 0
    for count in np.bincount(users).tolist():
        if count >= FEWEST_TO_HOLD_OUT:
            # What choice(count, size, replace=False) does in the notebook, in half of the time.
            picked = generator.permutation(count)[: int(share * count)]
            is_held_out[order[start + picked]] = True
        start += count
    return is_held_out


def last(users: np.ndarray, timestamp: np.ndarray, share: float) -> np.ndarray:
    """Mask of the held-out interactions: the last of each user, as many as are drawn at random; ties in file order."""
    order = np.lexsort((timestamp, users))
    counts = np.bincount(users)
    n_held_out = np.where(counts < FEWEST_TO_HOLD_OUT, 0, (share * counts).astype(np.int64))
    before_the_end = np.cumsum(counts)[users[order]] - np.arange(len(users))  # 1 for the last one of a user
    is_held_out = np.zeros(len(users), dtype=bool)
    is_held_out[order] = before_the_end <= n_held_out[users[order]]
    return is_held_out


def from_cut_on(users: np.ndarray, items: np.ndarray, is_past: np.ndarray) -> np.ndarray:
    """Mask of the held-out interactions: those after the cut with items that are new to the user.

    Nothing of a user without any before the cut is held out, as there is nothing to predict from.
    """
    is_held_out = ~is_past
    is_held_out[is_held_out] = _are_new(users, items, is_past)
    n = users.max(initial=0) + 1
    n_past, n_future = np.bincount(users[is_past], minlength=n), np.bincount(users[is_held_out], minlength=n)
    can_be_scored = (n_past > 0) & (n_past + n_future >= FEWEST_TO_HOLD_OUT)
    return is_held_out & can_be_scored[users]


def _are_new(users: np.ndarray, items: np.ndarray, is_past: np.ndarray) -> np.ndarray:
    """Whether the interactions after the cut are with items that their user has not had before, bool (n_after,)."""
    pairs = users.astype(np.int64) * (items.max(initial=0) + 1) + items
    of_each_side = np.sort(2 * pairs + is_past)  # several times faster than a look-up of all
    is_on_both = (of_each_side[:-1] % 2 == 0) & (np.diff(of_each_side) == 1)
    known = of_each_side[:-1][is_on_both] // 2
    after = pairs[~is_past]
    places = np.searchsorted(known, after)
    return np.append(known, -1)[places] != after
