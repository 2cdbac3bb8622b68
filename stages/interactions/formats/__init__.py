"""File formats: one module per `kind` under `format:` in params.yaml, of the same name.

Each module has `reader(layout)`, which returns a function that reads one file into batches of ratings. It also has
`titles(layout, path)` if files of the format include the items' titles.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from stages.config.dataset import Format

Reader = Callable[[Path], Iterator[pa.RecordBatch]]
"""Reads columns user, item, rating and timestamp of a file, in batches of rows; errors as in the format's module."""


def reader_of(layout: Format) -> Reader:
    """The function that reads a file of this format."""
    reader: Reader = import_module(f"stages.interactions.formats.{layout.kind}").reader(layout)
    return reader


def titles_of(layout: Format, path: Path) -> dict[int, str]:
    """Titles of the items, by their ids; empty if files of this format include none."""
    module = import_module(f"stages.interactions.formats.{layout.kind}")
    titles: dict[int, str] = module.titles(layout, path) if hasattr(module, "titles") else {}
    return titles
