"""Every row that stores something, by its bytes."""

import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.frontier import COLUMNS, MARKS, by_bytes, frontier_table
from stages.reporting.results import NDCG, Results
from stages.reporting.tables import difference_cells, markdown, row_names
from stages.reporting.wording import each, number_of_bytes, paragraphs, score, share, size

TABLES: TableColumns = {"plots/frontier": COLUMNS, "figures/metrics": Columns(("metric", "label"))}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """All rows of the report, in the order of params.yaml; and the labels of the metrics, in their order."""
    return {
        "plots/frontier": frontier_table(results.rows, list(results.metrics), results.bootstrap),
        "figures/metrics": pd.DataFrame(results.metrics.items(), columns=TABLES["figures/metrics"].names),
    }


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The table, and how to read it."""
    table = by_bytes(tables["plots/frontier"])
    table = table[table["bytes_per_user"] > 0]
    columns = {
        "row": row_names(table),
        "": table["standing"].map(MARKS).tolist(),
        "bytes": each(table["bytes_per_user"], number_of_bytes),
        "shared": each(table["shared_bytes"], size),
    }
    for metric, label in zip(tables["figures/metrics"]["metric"], tables["figures/metrics"]["label"], strict=True):
        columns[label] = each(table[metric], score)
        if metric == NDCG:
            columns["difference to float (95 % CI)"] = difference_cells(table, "difference")
            columns["kept of float"] = each(table["kept"], share)
            columns["above popularity"] = each(table["above_popularity"], share)
    columns["variance lost"] = each(table["variance_lost"], share)
    return paragraphs(
        "## The frontier",
        "The table has every row that stores something, from the most bytes to the fewest. A row with ● is on the "
        "Pareto front: no row of as many bytes or fewer has a higher NDCG@100. A row with ○ has as many bytes as such "
        "a row, and the difference is not significant.",
        markdown(pd.DataFrame(columns)),
        "*Above popularity* is the share that a row keeps of what its float model has above `popularity`.",
        _repeats(table),
        "*Shared* is stored once for all users: codebooks, centroids, rotations. *Variance lost* is the squared "
        "distance of the test users' embeddings to what is decoded, as a share of their squared distance to their "
        "mean. A row with *history* in its name keeps as many items as fit, chosen at random, and embeds them again at "
        "query time.",
        "[The same rows on a page to explore](frontier.html), in a browser: hover for a row's numbers, filter by "
        "family, switch to items.",
    )


def _repeats(table: pd.DataFrame) -> str:
    """Why a row equals another; empty where none does."""
    if not (table["repeats"] != "").any():
        return ""
    return (
        "A row with (= …) ranks every test user just as that row of fewer bytes does: the shorter code has "
        "left nothing for the further codebooks to encode (*Use of the codes*, dead codes), so its further bytes buy "
        "nothing."
    )
