"""Measures rows of the report on the test users, for all evaluate stages."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from stages.evaluation.measurements import Measurements, measure_row, microseconds_of, write_measurements
from stages.evaluation.metrics import METRICS
from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import Split
from stages.run import paths
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory

STAGES = {"references": "evaluate-reference", "models": "evaluate", "quantized": "evaluate-quantized"}
"""Group of rows → the stage of dvc.yaml that measures them."""


class StoredRow(NamedTuple):
    """One training stored by one codec: one seed of a row of the report."""

    name: str
    seed: int
    model: Recommender
    """Recommender that scores items from decoded codes."""
    codec: Codec
    """Codec that stores the users."""


def measure_rows(
    dataset: str,
    group: str,
    name: str,
    stored: Iterator[StoredRow],
    split: Split,
    batch_size: int,
    machine: dict[str, object],
) -> None:
    """Measure rows, and write a folder of measurements for each and the run facts of the stage.

    Parameters
    ----------
    group, name : names of the folder, as in `paths.evaluation`
    stored : all seeds of all rows; seeds have the same order in every row
    batch_size : users ranked at once
    machine : further run facts, such as the device
    """
    keep_freed_memory()
    rows: dict[str, list[Measurements]] = {}
    with (
        recorded(dataset, f"{STAGES[group]}-{name}") as facts,
        whole_folder(paths.evaluation(dataset, group, name)) as folder,
    ):
        facts |= machine
        for row in stored:
            rows.setdefault(row.name, []).append(measure_row(row.model, row.codec, split, batch_size, row.seed))
        for row_name, of_seeds in rows.items():
            write_measurements(of_seeds, folder / row_name)
        facts["microseconds"] = {row_name: microseconds_of(of_seeds) for row_name, of_seeds in rows.items()}
    for row_name, of_seeds in rows.items():
        users = pd.concat([measured.per_user for measured in of_seeds])
        means = "  ".join(f"{metric.label} {users[metric.name].mean():.4f}" for metric in METRICS)
        print(f"{row_name}: {of_seeds[0].bytes_per_user:,.1f} bytes per user  {means}")
