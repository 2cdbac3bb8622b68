"""File formats: one module per `kind` under `format:` in params.yaml, of the same name.

Each module has `reader(layout)`. It also has `titles(layout, path)` if files of the format include the items' titles.
"""

from importlib import import_module
from pathlib import Path

from stages.config.dataset import Format
from stages.interactions.formats.reading import Reader


def reader_of(layout: Format) -> Reader:
    """The reader of files of this format."""
    reader: Reader = import_module(f".{layout.kind}", __package__).reader(layout)
    return reader


def titles_of(layout: Format, path: Path) -> dict[int, str]:
    """Titles of the items, by their ids; empty if files of this format include none."""
    module = import_module(f".{layout.kind}", __package__)
    titles: dict[int, str] = module.titles(layout, path) if hasattr(module, "titles") else {}
    return titles
