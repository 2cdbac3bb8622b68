"""Rows that were quantized during training against those quantized after it, at equal bytes."""

import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.parts import COLUMNS, parts_table
from stages.reporting.results import NDCG, Results
from stages.reporting.tables import markdown
from stages.reporting.wording import code, difference, each, number_of_bytes, paragraphs, score, verdict

TABLES: TableColumns = {
    "figures/gains": Columns(
        ("row", "after_training"),
        ("bytes_per_user", "ndcg", "ndcg_after_training"),
        ("difference", "low", "high"),
        may_be_empty=True,
    ),
    "figures/parts": COLUMNS,
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """NDCG@100 of both rows and their difference, paired by user; and the same of what else makes codes good."""
    by_name = {row.name: row for row in results.rows}
    pairs = [(row, by_name[row.post_hoc_twin]) for row in results.rows if row.post_hoc_twin in by_name]
    lines = [
        (
            row.name, twin.name, row.bytes_per_user, row.mean(NDCG), twin.mean(NDCG),
            *results.bootstrap.difference(row.ndcg, twin.ndcg),
        )
        for row, twin in pairs
    ]  # fmt: skip
    return {
        "figures/gains": pd.DataFrame(lines, columns=TABLES["figures/gains"].names),
        "figures/parts": parts_table(results),
    }


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and how to read it."""
    table = tables["figures/gains"]
    intervals = list(zip(table["difference"], table["low"], table["high"], strict=True))
    columns = {
        "during training": code(table["row"]),
        "after training": code(table["after_training"]),
        "bytes per user": each(table["bytes_per_user"], number_of_bytes),
        "NDCG@100": each(table["ndcg"], score),
        "after": each(table["ndcg_after_training"], score),
        "difference (95 % CI)": [difference(*interval) for interval in intervals],
        "": [verdict(low, high) for _, low, high in intervals],
    }
    return paragraphs(
        "## During training or after it",
        "Each row that was quantized during training is compared with the row that quantizes its float twin after "
        "training, with as many codebooks of as many codes, chosen in the same way:",
        markdown(pd.DataFrame(columns)),
        "*Difference* is of NDCG@100, by a bootstrap over users and seeds, paired by both. It is not significant where "
        f"its interval contains 0. {_few_seeds(len(experiment.seeds))}",
    )


def _few_seeds(n_seeds: int) -> str:
    """What a bootstrap over few seeds leaves out: resampled, their variance is (n - 1) / n of what it is."""
    if n_seeds == 1:
        return "One seed says nothing of how much trainings differ by chance."
    return f"{n_seeds} seeds show 1/{n_seeds} too little of the variance between trainings: intervals are rather short."
