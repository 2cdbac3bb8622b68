"""The results of one data set, as the tables and figures take them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import sem

METRICS = (
    "ndcg@100",
    "recall@20",
    "recall@50",
    "precision@20",
    "f1@20",
)  # columns that `stages.ranking.evaluation` gives each user


@dataclass(frozen=True)
class RowResult:
    """One row of the report."""

    name: str
    family: str
    """One of `FAMILIES`."""
    stored: str
    """What is stored per user, in words."""
    float_twin: str | None
    """The row of the same architecture whose users are not quantized."""
    post_hoc_twin: str | None
    """The row of as many bytes that quantizes the float twin in the same way, after training."""
    bytes_per_user: float
    """Measured, from the encoded array."""
    shared_bytes: int
    """Codebooks, once for all users."""
    variance_lost: float | None
    """Share of the embeddings' variance; None where histories are stored."""
    kmeans_errors: list[float]
    """Mean squared error before each iteration of whole-vector k-means; empty for all else."""
    fit_seconds: float | None
    """Of a quantizer after training, all of its forms; None where there is none."""
    encode_us: float
    """Microseconds per user."""
    decode_us: float
    """Likewise."""
    per_user: pd.DataFrame
    """Metrics of each test user, means of all seeds; the same users in the same order in every row."""
    per_seed: pd.DataFrame
    """Metrics of each seed, means of all users."""
    code_usage: pd.DataFrame
    """codebook, perplexity, dead, means of all seeds; empty where nothing is quantized."""

    def mean(self, metric: str) -> float:
        """Over test users and seeds."""
        return float(self.per_user[metric].mean())

    def standard_error(self, metric: str) -> float:
        """Over test users."""
        return float(sem(self.values(metric)))

    def spread(self, metric: str) -> float | None:
        """Standard deviation between seeds; None where there is one."""
        return float(self.per_seed[metric].std(ddof=1)) if len(self.per_seed) > 1 else None

    def values(self, metric: str) -> np.ndarray:
        """float64 (n_users,)."""
        return self.per_user[metric].to_numpy(dtype=np.float64)


FAMILIES = {
    "float": "floats",
    "trained": "quantized during training",
    "product": "PQ, OPQ after training",
    "additive": "residual and additive codes after training",
    "whole": "k-means after training",
    "scalar": "scalars and PCA after training",
    "history": "some of the history, embedded again",
    "reference": "reference",
}
