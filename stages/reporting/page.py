"""The frontier as a page to be explored: one file that needs no network."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.reporting.families import FAMILIES
from stages.reporting.frontier import by_bytes
from stages.reporting.results import NDCG

TEMPLATES = Path(__file__).parent
# Comparisons of NDCG@100 with the float model: column, name and kind of number; each has columns _low and _high.
COMPARED = [
    ("difference", "difference to float", "difference"),
    ("kept", "kept of float", "share"),
    ("above_popularity", "kept above popularity", "share"),
]


class Column(NamedTuple):
    """A column of the page's table, and a line of its tooltip."""

    key: str
    """Of the table of the frontier; bytes for bytes_per_user and bytes_per_item."""
    name: str
    """As shown; {one} stands for what the bytes are of."""
    format: str
    """How its values are written: a name in FORMATS of frontier.html.j2."""


def render_page(title: str, users: pd.DataFrame, items: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The page of bytes against NDCG@100, with the same rows as a table.

    Parameters
    ----------
    title : of the data set
    users : of `stages.reporting.frontier.frontier_table`
    items : the same of quantized items, with bytes_per_item in place of bytes_per_user; empty where there are none
    metrics : columns metric, a column of both tables, and label, in the order in which they are shown
    """
    columns = _columns(metrics)
    data = {
        "families": {
            key: {"name": family.label, "colour": family.colour, "marker": family.page_marker}
            for key, family in FAMILIES.items()
        },
        "columns": [column._asdict() for column in columns],
        "y": NDCG,
        "targets": {"users": _rows(users, "bytes_per_user", columns), "items": _rows(items, "bytes_per_item", columns)},
    }
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": False}
    return environment.get_template("frontier.html.j2").render(title=title, data=data)


def _columns(metrics: pd.DataFrame) -> list[Column]:
    shown = [
        Column("row", "row", "text"),
        Column("standing", "standing", "standing"),
        Column("stored", "stored", "text"),
        Column("bytes", "bytes per {one}", "bytes"),
        Column("shared_bytes", "shared", "size"),
    ]
    for metric, label in zip(metrics["metric"], metrics["label"], strict=True):
        shown.append(Column(metric, label, "score"))
        if metric == NDCG:
            shown += [Column(key, name, f"{kind}WithInterval") for key, name, kind in COMPARED]
    return [*shown, Column("variance_lost", "variance lost", "share")]


def _rows(table: pd.DataFrame, size: str, columns: list[Column]) -> list[dict[str, Any]]:
    """The table's lines by the page's keys, from the most bytes to the fewest, None for what is not known."""
    intervals = [f"{key}_{end}" for key, _, _ in COMPARED for end in ("low", "high")]
    keys = ["family", "float_twin", "nearest_twin", *intervals, *(column.key for column in columns)]
    shown = by_bytes(table, size).rename(columns={size: "bytes"})[keys]
    records = shown.astype(object).where(shown.notna(), None).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]
