"""Codes that are longer for users with longer histories, against one length for all."""

import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.results import Results, by_seed
from stages.reporting.tables import markdown
from stages.reporting.wording import code, difference, each, paragraphs, score
from stages.statistics.activity import QUARTERS
from stages.statistics.bootstrap import Bootstrap

TABLES: TableColumns = {
    "figures/budgets": Columns(
        ("row",),
        ("budget", "quarter", "users", "bytes", "ndcg_flat", "ndcg"),
        ("difference", "low", "high"),
        may_be_empty=True,
    )
}
ALL = 0  # in place of the number of a quarter


def data(results: Results) -> dict[str, pd.DataFrame]:
    """A line per model, budget and quarter of users (from 1, the least active), and one of all users (quarter 0)."""
    lines = [
        (f"{model}-{budget}b", budget, quarter, *_compare(chosen, results.bootstrap))
        for model, users in results.budgets.items()
        for budget, of_budget in users.groupby("budget", sort=False)
        for quarter in range(QUARTERS + 1)
        if len(chosen := of_budget if quarter == ALL else of_budget[of_budget["quarter"] == quarter])
    ]
    return {"figures/budgets": pd.DataFrame(lines, columns=TABLES["figures/budgets"].names)}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The table, and how to read it."""
    table = tables["figures/budgets"]
    quarters = {ALL: "all", 1: "1, least active", 2: "2", 3: "3", 4: "4, most active"}
    columns = {
        "row": code(table["row"]),
        "quarter of users": table["quarter"].map(quarters).tolist(),
        "users": each(table["users"], "{:,}".format),
        "bytes, one length": each(table["budget"], str),
        "bytes, by activity": each(table["bytes"], "{:.2f}".format),
        "NDCG@100, one length": each(table["ndcg_flat"], score),
        "by activity": each(table["ndcg"], score),
        "difference (95 % CI)": [
            difference(*interval) for interval in zip(table["difference"], table["low"], table["high"], strict=True)
        ],
    }
    return paragraphs(
        "## More bytes for active users",
        "Any prefix of a residual code is itself a code, so a budget of bytes can be spent unevenly: more on users "
        "with long histories. How many bytes each quarter of the users gets is chosen on the validation users. A more "
        "active quarter never gets fewer, and the average is at most the budget, less a quarter of a byte that says "
        "how long the code is. On the test users:",
        markdown(pd.DataFrame(columns)),
        "*Difference* is paired by user. Quarters are by the number of fold-in interactions.",
    )


def _compare(users: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, ...]:
    """Number of users, bytes, NDCG@100 of one length and of lengths by activity, and their difference."""
    ndcg, flat = by_seed(users, "ndcg"), by_seed(users, "ndcg_flat")
    return ndcg.shape[1], users["bytes"].mean(), flat.mean(), ndcg.mean(), *bootstrap.difference(ndcg, flat)
