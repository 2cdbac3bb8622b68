"""Tables that the stages before the report leave to it: each is checked when it is read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stages.run.digests import checked, damaged

Needed = Mapping[str, Callable[["pd.Series[float]"], bool]]
"""Columns that a table has to have → whether one is as it should be."""


def integers(column: "pd.Series[float]") -> bool:
    """Whether all are."""
    return column.dtype.kind in "iu"


def numbers(column: "pd.Series[float]") -> bool:
    """Whether all are finite ones."""
    return column.dtype.kind in "iuf" and bool(np.isfinite(column).all())


def numbers_or_nan(column: "pd.Series[float]") -> bool:
    """Whether all are; NaN is one that is not known."""
    return column.dtype.kind in "iuf"


def anything(_: "pd.Series[float]") -> bool:
    """True: numbers or text."""
    return True


def read_parquet(path: Path, stage: str, columns: Needed) -> pd.DataFrame:
    """A table of a Parquet file.

    Parameters
    ----------
    stage : stage that writes this file, for error messages
    columns : columns that it has to have → `integers`, `numbers`, `numbers_or_nan` or `anything`

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, has no lines, or a column is missing
        or of another kind.
    """
    with checked(path, stage) as file:
        try:
            table = pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise damaged(path, "is no Parquet", stage) from error
    return _with(columns, table, path, stage, may_be_empty=False)


def read_csv(path: Path, stage: str, columns: Needed, may_be_empty: bool = False) -> pd.DataFrame:
    """A table of a CSV file, which may be allowed to have no lines; parameters and errors as in `read_parquet`."""
    with checked(path, stage) as file:
        try:
            table = pd.read_csv(file, encoding="utf-8")
        except ValueError as error:
            raise damaged(path, "is no CSV", stage) from error
    return _with(columns, table, path, stage, may_be_empty)


def _with(columns: Needed, table: pd.DataFrame, path: Path, stage: str, may_be_empty: bool) -> pd.DataFrame:
    """The table, if it has these columns; one without lines has no kinds."""
    for name, is_right in columns.items():
        if name not in table or (len(table) and not is_right(table[name])):
            raise damaged(path, f"has no column {name} as it should be", stage)
    if table.empty and not may_be_empty:
        raise damaged(path, "has no lines", stage)
    return table
