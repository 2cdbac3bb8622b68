"""Whether the rows come in the paper's order, neighbour by neighbour."""

from itertools import pairwise

import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.paper import rows_of_the_paper
from stages.reporting.results import Results

TABLES: TableColumns = {
    "figures/paper_order": Columns(("better", "worse"), (), ("difference", "low", "high"), may_be_empty=True)
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Each two neighbours of the paper's order: by how much the worse one is above the better one here."""
    by_name = {row.name: row for row in results.rows}
    ordered = rows_of_the_paper(pd.Series({name: row.bytes_per_user for name, row in by_name.items()}))
    lines = [
        (better, worse, *results.bootstrap.difference(by_name[worse].ndcg, by_name[better].ndcg))
        for better, worse in pairwise(ordered)
    ]
    return {"figures/paper_order": pd.DataFrame(lines, columns=TABLES["figures/paper_order"].names)}


def words(tables: Tables, experiment: Experiment) -> str:
    """How many neighbours come in the paper's order here; nothing of made-up ratings, or where there is no pair."""
    pairs = tables["figures/paper_order"]
    if experiment.is_made_up or pairs.empty:
        return ""
    same, other = pairs["difference"] <= 0, pairs["difference"] > 0
    return (
        f"Of {len(pairs)} adjacent pairs in the paper's order of these rows, {same.sum()} come in that order here "
        f"({(pairs['high'] < 0).sum()} significantly) and {other.sum()} the other way round "
        f"({(pairs['low'] > 0).sum()} significantly)."
    )
