"""Codes that are chosen by scores against the nearest ones, of the same codebooks."""

import pandas as pd

from stages.config.strict import CHOSEN_BY
from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.results import NDCG, Results
from stages.reporting.tables import difference_cells, markdown
from stages.reporting.wording import code, each, listing, number_of_bytes, paragraphs, score, verdict

TABLES: TableColumns = {
    "figures/encoders": Columns(
        ("row", "nearest", "encoder"),
        ("bytes_per_user", "ndcg", "ndcg_nearest"),
        ("difference", "difference_low", "difference_high"),
        may_be_empty=True,
    )
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """NDCG@100 of both rows and their difference, paired by user and seed."""
    by_name = {row.name: row for row in results.rows}
    lines = [
        (
            row.name, nearest.name, row.encoder, row.bytes_per_user, row.mean(NDCG), nearest.mean(NDCG),
            *results.bootstrap.difference(row.ndcg, nearest.ndcg),
        )
        for row in results.rows
        if (nearest := by_name.get(row.nearest_twin or ""))
    ]  # fmt: skip
    return {"figures/encoders": pd.DataFrame(lines, columns=TABLES["figures/encoders"].names)}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The table, and how to read it."""
    table = tables["figures/encoders"]
    columns = {
        "row": code(table["row"]),
        "nearest codes": code(table["nearest"]),
        "bytes per user": each(table["bytes_per_user"], number_of_bytes),
        "NDCG@100": each(table["ndcg"], score),
        "of the nearest": each(table["ndcg_nearest"], score),
        "difference (95 % CI)": difference_cells(table, "difference"),
        "": [verdict(low, high) for low, high in zip(table["difference_low"], table["difference_high"], strict=True)],
    }
    encoders = listing(f"`{name}` (by {CHOSEN_BY[name]})" for name in table["encoder"])
    return paragraphs(
        "## The nearest code, or a better one",
        "The code whose vector is nearest to a user's embedding need not be the one that ranks best. These rows choose "
        f"it by what it decodes to{f': {encoders}' if encoders else ''}. Each is compared with the row of the same "
        "codebooks, the same bytes and the same training that takes the nearest code:",
        markdown(pd.DataFrame(columns)),
        "What is stored, and how it is decoded, is the same. To encode takes the users' histories, which embeddings "
        "alone do not give, and longer: [run.md](run.md) has the times of either row. *Difference* is as above.",
    )
