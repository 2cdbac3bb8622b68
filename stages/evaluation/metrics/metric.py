"""The type of ranking metrics."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Metric(NamedTuple):
    """A metric of each user's ranking."""

    name: str
    """Name of its column in per_user.parquet, and of its key in metrics.json."""
    label: str
    """Its name in tables and figures."""
    of: Callable[[Tensor, Tensor], Tensor]
    """Function of hits : bool (n_users, n_ranks), whether the item at each rank, best first, is held out, and of
    n_held_out : int64 (n_users,), number of held-out items, at least 1. It returns float64 (n_users,)."""
