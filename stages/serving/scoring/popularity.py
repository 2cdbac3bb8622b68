"""What users without a code are shown."""

from collections.abc import Sequence

import numpy as np

from stages.serving.package.package import Items
from stages.serving.scoring.scorer import NO_ITEM, Top, check_n, check_seen


class Popularity:
    """The items by their interactions in train; ties by column.

    Parameters
    ----------
    items : of the package
    """

    def __init__(self, items: Items) -> None:
        self._order = np.argsort(-items.interactions, kind="stable")
        self._interactions = items.interactions

    def top(self, n_users: int, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """The same list for everybody, but for the items that are left out; parameters and errors as of `Scorer.top`.

        The scores are the numbers of interactions.
        """
        check_n(n, len(self._order))
        left_out = check_seen(seen, n_users, len(self._order))
        items = np.full((n_users, n), NO_ITEM)
        scores = np.full((n_users, n), -np.inf, np.float32)
        for user, (start, end) in enumerate(zip(left_out.starts, left_out.starts[1:], strict=False)):
            first = self._order[: n + end - start]
            shown = first[~np.isin(first, left_out.items[start:end])][:n]
            items[user, : len(shown)] = shown
            scores[user, : len(shown)] = self._interactions[shown]
        return Top(items, scores)
