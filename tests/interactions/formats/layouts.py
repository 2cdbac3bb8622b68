"""Format entries as params.yaml gives them, and what their readers make of a file."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from stages.config.dataset import Format
from stages.interactions.formats import reader_of

NAMES = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
LAYOUTS: dict[str, dict[str, Any]] = {
    "csv": {"kind": "csv", "ids": "integer", "columns": NAMES},
    "jsonl": {"kind": "jsonl", "ids": "integer", "columns": NAMES},
    "parquet": {"kind": "parquet", "columns": NAMES},
    "movielens": {"kind": "movielens"},
    "npz": {"kind": "npz"},
    "lightgcn": {"kind": "lightgcn"},
    "netflix": {"kind": "netflix"},
    "recbole": {"kind": "recbole", "ids": "string"},
}


def read(path: Path, kind: str, **changes: Any) -> dict[str, list[Any]]:
    """The columns of a file, in a format that differs from that in `LAYOUTS` by some settings."""
    batches = [batch for batch, _ in reader_of(layout(kind, **changes)).read(path)]
    rows = [batch.to_pydict() for batch in batches]
    return {name: [value for row in rows for value in row[name]] for name in (rows[0] if rows else ())}


def layout(kind: str, **changes: Any) -> Format:
    adapter: TypeAdapter[Format] = TypeAdapter(Format)
    return adapter.validate_python(LAYOUTS[kind] | changes)


def nanoseconds(values: list[Any]) -> list[int]:
    """Since 1970, of timestamps as pyarrow gives them."""
    return pa.array(values).cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
