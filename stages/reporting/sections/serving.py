"""Rows as they are served: from the codes of the store, by every way of scoring."""

import numpy as np
import pandas as pd

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.paper import VECTORS
from stages.reporting.results import Results
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, code, each, gigabytes, listing, number_of_bytes, paragraphs, score

TABLES: TableColumns = {
    "figures/serving": Columns(
        ("row", "way"),
        (
            "seed", "code_bytes", "store_bytes_per_user", "users", "users_without_code", "memory_bytes", "overlap",
            "ndcg", "row_ndcg", "users_that_differ",
        ),
        may_be_empty=True,
    )
}  # fmt: skip
EXACT = "dense"
SAME = 1e-6
"""Largest difference of NDCG@100 that is none."""


def data(results: Results) -> dict[str, pd.DataFrame]:
    """A line per row and way of scoring; row_ndcg and users_that_differ compare with the row's, of the same seed."""
    lines = []
    for name, served in results.served.items():
        for way, memory, overlap in served.ways[["way", "memory_bytes", "overlap"]].itertuples(index=False):
            ndcg = served.ndcg[way]
            lines.append(
                (
                    name, way, served.seed, served.code_bytes, served.store_bytes_per_user, len(ndcg),
                    served.users_without_code, memory, overlap, ndcg.mean(), served.row_ndcg.mean(),
                    (np.abs(ndcg - served.row_ndcg) > SAME).sum(),
                )
            )  # fmt: skip
    return {"figures/serving": pd.DataFrame(lines, columns=TABLES["figures/serving"].names)}


def words(tables: Tables, experiment: Experiment) -> str:
    """Ways of scoring, then stores, and what is to beware of."""
    table = tables["figures/serving"]
    ways = {
        "row": code(table["row"]),
        "scoring": table["way"].tolist(),
        "memory": each(table["memory_bytes"] / 1e6, "{:,.1f} MB".format),
        "of the exact top 100": each(table["overlap"] * 100, "{:.3f} %".format),
        "NDCG@100": each(table["ndcg"], score),
        "against the row": each(table["ndcg"] - table["row_ndcg"], "{:+.6f}".format),
    }
    stores = table.drop_duplicates("row")
    seed = listing(stores["seed"]) or UNKNOWN
    columns = {
        "row": code(stores["row"]),
        "bytes of a code": each(stores["code_bytes"], number_of_bytes),
        "of a user in the store": each(stores["store_bytes_per_user"], number_of_bytes),
        f"{VECTORS // 10**6}M users": each(stores["store_bytes_per_user"] * VECTORS, gigabytes),
        "test users without a code": each(stores["users_without_code"], "{:,.0f}".format),
    }
    return paragraphs(
        "## Serving",
        "A package of one training and a store of all users' codes are what serves users; neither needs PyTorch. The "
        f"test users, looked up in the store and ranked by each way of scoring (seed {seed}):",
        markdown(pd.DataFrame(ways)),
        "*Dense* decodes and multiplies with all items; *tables* add up one number per code and item, and where they "
        "are int8, they only choose a shortlist, which is scored exactly; *approximate* searches an index of the "
        "items. A way that takes more than `serving.memory` is left out. *Memory* is what a way keeps loaded, the "
        "items' vectors included. *Against the row* is the difference to NDCG@100 of the same training in this report.",
        _beware(table),
        "The stores:",
        markdown(pd.DataFrame(columns)),
        "Times differ from run to run, so they are not here: `python -m stages.commands.measure_serving --dataset "
        f"{experiment.dataset}` writes them to `serving.md`.",
    )


def _beware(table: pd.DataFrame) -> str:
    """A warning for each row whose codes in the store are not those that were measured; empty where all are."""
    exact = table[(table["way"] == EXACT) & (table["users_that_differ"] > 0)]
    return "\n".join(
        f"> **{code([row])[0]}: of {users:,} test users {differ:,} rank otherwise than in this row. A few do "
        "by rounding, if the row was measured on another processor or a GPU; many are a fault.**"
        for row, users, differ in exact[["row", "users", "users_that_differ"]].itertuples(index=False)
    )
