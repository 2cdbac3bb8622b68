"""Rows before and after their output layer was trained further on what is stored of users."""

import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.results import Results, by_seed
from stages.reporting.tables import markdown
from stages.reporting.wording import code, difference, each, paragraphs, score

TABLES: TableColumns = {
    "figures/refits": Columns(
        ("row", "epochs"), ("ndcg", "ndcg_refitted"), ("difference", "low", "high"), may_be_empty=True
    )
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """NDCG@100 before and after, their difference, paired by user, and the epoch that was kept, by seed."""
    lines = []
    for users in results.refits.values():
        for row, of_row in users.groupby("row", sort=False):
            before, after = by_seed(of_row, "before"), by_seed(of_row, "after")
            epochs = ", ".join(map(str, results.refit_epochs[str(row)]))
            lines.append((row, before.mean(), after.mean(), *results.bootstrap.difference(after, before), epochs))
    columns = ["row", "ndcg", "ndcg_refitted", "difference", "low", "high", "epochs"]
    return {"figures/refits": pd.DataFrame(lines, columns=columns)}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The table, and how to read it."""
    table = tables["figures/refits"]
    columns = {
        "row": code(table["row"]),
        "NDCG@100": each(table["ndcg"], score),
        "refitted": each(table["ndcg_refitted"], score),
        "difference (95 % CI)": [
            difference(*interval) for interval in zip(table["difference"], table["low"], table["high"], strict=True)
        ],
        "epochs kept, by seed": table["epochs"].tolist(),
    }
    return paragraphs(
        "## A decoder for codes",
        "The output layer is trained for a few more epochs on what is stored of the users, while the encoder and the "
        "codes stay as they were. The epoch with the best NDCG@100 on the validation users is kept, or none (0):",
        markdown(pd.DataFrame(columns)),
    )
