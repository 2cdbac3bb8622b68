"""Measures rows of the report on the test users, for both evaluate stages."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from stages.evaluation.measurements import Measurements, measure_row, microseconds_of, write_measurements
from stages.evaluation.metrics import METRICS
from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import Split


class StoredRow(NamedTuple):
    """One training stored by one codec: one seed of a row of the report."""

    name: str
    seed: int
    model: Recommender
    """Recommender that scores items from decoded codes."""
    codec: Codec
    """Codec that stores the users."""


def measure_rows(
    stored: Iterable[StoredRow], split: Split, batch_size: int, folder: Path
) -> dict[str, dict[str, float]]:
    """Measure rows of a model, and write a folder of measurements for each.

    Parameters
    ----------
    stored : all seeds of all rows; seeds have the same order in every row
    batch_size : users ranked at once
    folder : new folder of the model

    Returns
    -------
    row → microseconds that it takes to encode and to decode a user, for the run facts
    """
    folder.mkdir(exist_ok=True)
    rows: dict[str, list[Measurements]] = {}
    for row in stored:
        rows.setdefault(row.name, []).append(measure_row(row.model, row.codec, split, batch_size, row.seed))
    for row_name, of_seeds in rows.items():
        write_measurements(of_seeds, folder / row_name)
        users = pd.concat([measured.per_user for measured in of_seeds])
        means = "  ".join(f"{metric.label} {users[metric.name].mean():.4f}" for metric in METRICS)
        print(f"{row_name}: {of_seeds[0].bytes_per_user:,.1f} bytes per user  {means}", flush=True)
    return {row_name: microseconds_of(of_seeds) for row_name, of_seeds in rows.items()}
