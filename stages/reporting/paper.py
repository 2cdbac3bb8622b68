"""Table 1 of Van Balen & Levy, RecSys 2019, as printed."""

from typing import NamedTuple

import pandas as pd

from stages.reporting.wording import number_of_bytes


class PaperRow(NamedTuple):
    """A row as printed."""

    bytes_per_user: int
    ndcg: float
    """NDCG@100 on MovieLens-20M."""


# In the paper's order, which is also the order of accuracy.
TABLE_1 = {
    "vae-600-200-600": PaperRow(2400, 0.426),
    "dae-200": PaperRow(800, 0.420),
    "pq-vae-200-200-40x5": PaperRow(40, 0.412),
    "pq-vae-200-200-20x10": PaperRow(20, 0.401),
    "dae-200-200-200-pq-40x5": PaperRow(40, 0.340),
    "dae-200-200-200-pq-20x10": PaperRow(20, 0.333),
}
VECTORS = 50_000_000  # whose size the table states, in G = 10⁹ bytes


def rows_of_the_paper(bytes_per_user: "pd.Series[float]") -> list[str]:
    """Names of the rows that Table 1 has, in its order: those of the same name and of as many bytes.

    Parameters
    ----------
    bytes_per_user : by row
    """
    return [name for name, printed in TABLE_1.items() if bytes_per_user.get(name) == printed.bytes_per_user]


def size_of_all(bytes_per_user: float) -> str:
    """For as many users as in the paper."""
    return f"{bytes_per_user * VECTORS / 1e9:,.3g} G"


def sizes(bytes_per_user: float) -> str:
    """For one user, and for as many as in the paper."""
    return f"{number_of_bytes(bytes_per_user)} bytes per user, {size_of_all(bytes_per_user)} for 50M users"
