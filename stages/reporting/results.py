"""The results of one data set, as the tables and figures take them."""

from dataclasses import dataclass

import pandas as pd


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
    bytes_per_user: float
    """Measured, from the encoded array."""
    shared_bytes: int
    """Codebooks, once for all users."""
    mean: dict[str, float]
    """Metric → mean over the test users."""
    standard_error: dict[str, float]
    per_user: pd.DataFrame
    """Metrics of each test user; the same users in the same order in every row."""
    code_usage: pd.DataFrame
    """chunk, perplexity, dead; empty where nothing is quantized."""


FAMILIES = {
    "float": "auto-encoder, float32",
    "trained": "PQ-VAE: quantized during training",
    "post-hoc": "auto-encoder, quantized after training",
    "reference": "reference",
}
