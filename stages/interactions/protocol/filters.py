"""Which users and items have enough interactions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Minimums:
    """How many interactions a user, and an item, must have."""

    of_user: int
    of_item: int = 1
    core: bool = False
    """False: items with fewer are dropped, then users, once each, as `filter_triplets` in the notebook of Liang et al.
    2018 does. True: both again, until all that are left have enough (the iterated k-core)."""

    def enough(self, user: np.ndarray, item: np.ndarray, counted: np.ndarray | None = None) -> tuple[np.ndarray, int]:
        """Mask of the interactions that are kept, and the number of rounds in which any were dropped.

        Parameters
        ----------
        user, item : int32 (n_interactions,), numbers from 0; no pair occurs twice among those that count
        counted : bool (n_interactions,), those that count; of the others all are kept whose user is. None: all count
        """
        kept = np.ones(len(user), dtype=bool) if counted is None else counted.copy()
        sides = [
            (numbers, minimum, np.bincount(numbers[kept], minlength=numbers.max(initial=0) + 1))
            for numbers, minimum in ((item, self.of_item), (user, self.of_user))
            if minimum > 1
        ]
        rounds = 0
        while True:
            n_dropped = 0
            for numbers, minimum, counts in sides:
                dropped = np.flatnonzero(kept & (counts < minimum)[numbers])
                kept[dropped] = False
                for others, _, count in sides:  # those dropped are far fewer than those left
                    count -= np.bincount(others[dropped], minlength=len(count))
                n_dropped += len(dropped)
            rounds += n_dropped > 0
            if not n_dropped or not self.core:
                break
        if counted is not None:
            is_left = np.zeros(user.max(initial=0) + 1, dtype=bool)
            is_left[user[kept]] = True
            kept |= ~counted & is_left[user]
        return kept, rounds
