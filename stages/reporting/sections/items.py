"""Rows whose item tables are quantized."""

import pandas as pd

from stages.reporting.csv_files import TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.frontier import COLUMNS, MARKS, POPULARITY, by_bytes, frontier_table
from stages.reporting.results import NDCG, Results
from stages.reporting.tables import markdown, row_names, share_cells
from stages.reporting.wording import UNKNOWN, each, listing, number_of_bytes, paragraphs, score, share, size

TABLES: TableColumns = {
    "figures/items": COLUMNS._replace(
        numbers=tuple(name.replace("bytes_per_user", "bytes_per_item") for name in COLUMNS.numbers), may_be_empty=True
    )
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """As the table of the frontier, with bytes_per_item in place of bytes_per_user."""
    popularity = next((row for row in results.rows if row.name == POPULARITY), None)
    table = frontier_table(results.item_rows, list(results.metrics), results.bootstrap, popularity)
    return {"figures/items": table.rename(columns={"bytes_per_user": "bytes_per_item"})}


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and how to read it."""
    floats = listing(f"{n_bytes:,} bytes per item" for n_bytes in experiment.item_bytes.values()) or UNKNOWN
    return paragraphs(
        "## Item tables",
        "A model also stores a vector per item: a row of the decoder's last layer (*output*) and one of the encoder's "
        f"first layer (*input*). In floats both together take {floats}. Here one of these tables is quantized, or "
        "both, or both and the users' embeddings, each by a quantizer of its own:",
        item_table(tables["figures/items"]),
        "*Bytes* are those of both tables, per item, with its share of what all items share (*shared*; in *users-too* "
        "rows without the users' codebooks). ● and ○ mean the same as above, among these rows.",
    )


def item_table(table: pd.DataFrame) -> str:
    """Markdown: rows from the most bytes per item to the fewest."""
    table = by_bytes(table, "bytes_per_item")
    columns = {
        "row": row_names(table),
        "": table["standing"].map(MARKS).tolist(),
        "stored per item": table["stored"].tolist(),
        "bytes": each(table["bytes_per_item"], number_of_bytes),
        "shared": each(table["shared_bytes"], size),
        "NDCG@100": each(table[NDCG], score),
        "kept of float (95 % CI)": share_cells(table, "kept"),
        "above popularity": each(table["above_popularity"], share),
        "variance lost": each(table["variance_lost"], share),
    }
    return markdown(pd.DataFrame(columns))
