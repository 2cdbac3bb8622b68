"""The results of one data set: what the sections of its report make their tables from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import sem

from stages.config.strict import Encoder
from stages.statistics.bootstrap import Bootstrap

NDCG = "ndcg@100"  # the metric by which rows are compared


@dataclass(frozen=True)
class RowResult:
    """One row of the report."""

    name: str
    base: str
    """The name that all variants of the row share."""
    family: str
    """A key of `FAMILIES`."""
    stored: str
    """What is stored per user, in words."""
    float_twin: str | None
    """The row of the same architecture whose users are not quantized."""
    post_hoc_twin: str | None
    """The row of as many bytes that quantizes the float twin in the same way, after training."""
    bytes_per_user: float
    """Measured, from the encoded array."""
    shared_bytes: int
    """Of codebooks and the like, stored once for all users."""
    variance_lost: float | None
    """Share of the embeddings' variance; None where histories are stored, and where there is no variance."""
    fit_errors: Sequence[float]
    """Mean squared error before each iteration of whole-vector k-means; empty for all else."""
    spectrum: Sequence[float]
    """Share of the variance of the embeddings along each principal direction, from the largest on, mean over seeds;
    empty where they are not stored as they are."""
    centroids: int | None
    """Of whole-vector k-means; None for all else."""
    metrics: Mapping[str, str]
    """Column of `per_user` → label, in the order in which they are shown."""
    per_user: pd.DataFrame
    """Metrics of each test user, means over seeds; the same users in the same order in every row."""
    ndcg: np.ndarray
    """float64 (n_seeds, n_users), NDCG@100 of these users by seed."""
    validation_ndcg: float | None
    """NDCG@100 on the validation users; None of rows that nobody chooses among."""
    code_usage: pd.DataFrame
    """Columns codebook, perplexity, dead, means over seeds; empty where there are no codebooks."""
    encoder: Encoder = "nearest"
    """How its codes are chosen."""
    nearest_twin: str | None = None
    """The row of the same codebooks whose codes are the nearest, in the report or not; None of such a row itself."""
    plain_twin: str | None = None
    """Of residual codes fitted after training: the row of PQ of as many bytes, fitted after it too."""

    def mean(self, metric: str) -> float:
        """Over test users and seeds."""
        return float(self.per_user[metric].mean())

    @property
    def standard_error(self) -> float | None:
        """Of NDCG@100, over test users; None where there is one."""
        return float(sem(self.ndcg.mean(0))) if self.ndcg.shape[1] > 1 else None

    @property
    def spread(self) -> float | None:
        """Of NDCG@100: standard deviation between seeds; None where there is one."""
        return float(self.ndcg.mean(1).std(ddof=1)) if len(self.ndcg) > 1 else None


@dataclass(frozen=True)
class Served:
    """A row as it is served: from the codes of the store, by every way of scoring."""

    seed: int
    """Of the training that is handed over."""
    code_bytes: int
    """Of a user."""
    store_bytes_per_user: float
    """Code and id in the store, with all that it keeps beside them."""
    users_without_code: int
    """Of the test users: they have no known item in the fold-in."""
    ways: pd.DataFrame
    """Columns way, memory_bytes, overlap (share of the exact top 100)."""
    ndcg: Mapping[str, np.ndarray]
    """Way → float64 (n_users), NDCG@100 of the test users."""
    row_ndcg: np.ndarray
    """float64 (n_users), of the same users and training, as the row was measured."""


@dataclass(frozen=True)
class Results:
    """What the stages have left of one data set."""

    rows: Sequence[RowResult]
    """In the order of params.yaml, all evaluated by the same metrics."""
    item_rows: Sequence[RowResult]
    """With quantized item tables, and their float twins; bytes are per item, with its share of what is shared."""
    curves: Mapping[str, pd.DataFrame]
    """Model → columns seed, epoch, loss, validation_ndcg."""
    protocol: Mapping[str, int | str]
    """Counts and digests of the split."""
    users: pd.DataFrame
    """Column interactions, a line per user."""
    items: pd.DataFrame
    """Columns item, interactions and perhaps title, a line per item."""
    bootstrap: Bootstrap
    refits: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Model → columns row, user, seed, before, after: NDCG@100."""
    refit_epochs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Row → the epoch that was kept, of each seed."""
    budgets: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Model → columns budget, user, seed, quarter, bytes, ndcg_flat, ndcg."""
    served: Mapping[str, Served] = field(default_factory=dict)
    """Row that is handed over → how it is served."""

    @property
    def metrics(self) -> Mapping[str, str]:
        """Those by which rows were evaluated → their labels."""
        return self.rows[0].metrics


def by_seed(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64 (n_seeds, n_users); table : columns seed and user, a line for every pair of them."""
    return table.set_index(["seed", "user"])[column].unstack().to_numpy(dtype=np.float64)  # noqa: PD010
