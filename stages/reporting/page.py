"""The frontier as a page to be explored: one file that needs no network."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.reporting.figures import STYLE
from stages.reporting.results import FAMILIES

TEMPLATES = Path(__file__).parent
MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle",
    "P": "plus",
    "*": "star",
    "X": "cross",
    "v": "down",
    "D": "diamond",
}  # Matplotlib's names → the page's
KEYS = {
    "row": "row",
    "family": "family",
    "stored": "stored",
    "bytes": "bytes",
    "shared_bytes": "shared_bytes",
    "ndcg@100": "ndcg",
    "standard_error": "standard_error",
    "kept": "kept",
    "kept_low": "kept_low",
    "kept_high": "kept_high",
    "recall@20": "recall20",
    "recall@50": "recall50",
    "precision@20": "precision20",
    "f1@20": "f120",
    "variance_lost": "variance_lost",
    "fit_seconds": "fit_seconds",
    "encode_us": "encode_us",
    "decode_us": "decode_us",
    "standing": "standing",
}  # columns of the tables → the page's


def render_page(title: str, users: pd.DataFrame, items: pd.DataFrame) -> str:
    """The page of bytes against NDCG@100, with the same rows as a table.

    Parameters
    ----------
    title : of the data set
    users : of `stages.reporting.frontier.all_rows`
    items : the same of quantized items, with bytes_per_item in place of bytes_per_user; empty where there are none
    """
    data = {
        "families": {
            family: {"name": name, "colour": STYLE[family][0], "marker": MARKERS[STYLE[family][1]]}
            for family, name in FAMILIES.items()
        },
        "targets": {"users": _rows(users, "bytes_per_user"), "items": _rows(items, "bytes_per_item")},
    }
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)
    # No "<" at all: not only "</script>" but also "<!--" would change where the element of the data ends.
    written = json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return environment.get_template("frontier.html.j2").render(title=title, data=written)


def _rows(table: pd.DataFrame, size: str) -> list[dict[str, Any]]:
    """The table's lines by the page's keys, None for what is not known."""
    if table.empty:
        return []
    chosen = table.rename(columns={size: "bytes"})[list(KEYS)].rename(columns=KEYS)
    chosen["standing"] = chosen["standing"].fillna("")  # so is an empty text when it is read from a CSV file
    records = chosen.astype(object).where(chosen.notna(), None).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]
