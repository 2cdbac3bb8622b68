"""Table 1 of Van Balen & Levy, RecSys 2019, as printed."""

from typing import NamedTuple


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
