"""Tables that the stages before the report leave to it: each is checked when it is read."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from stages.run.digests import checked, damaged

INTEGERS, NUMBERS, ANY = "iu", "iuf", "iufbOT"
"""Kinds of columns, as letters of NumPy's `dtype.kind`."""


def read_parquet(path: Path, stage: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table of a Parquet file.

    Parameters
    ----------
    stage : stage that writes this file, for error messages
    columns : columns that it has to have → `INTEGERS`, `NUMBERS` or `ANY`

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, or a column is missing or of another
        kind.
    """
    with checked(path, stage) as file:
        try:
            table = pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise damaged(path, "is no Parquet", stage) from error
    return _with(columns, table, path, stage)


def read_csv(path: Path, stage: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table of a CSV file; parameters and errors as in `read_parquet`."""
    with checked(path, stage) as file:
        try:
            table = pd.read_csv(file, encoding="utf-8")
        except ValueError as error:
            raise damaged(path, "is no CSV", stage) from error
    return _with(columns, table, path, stage)


def _with(columns: Mapping[str, str], table: pd.DataFrame, path: Path, stage: str) -> pd.DataFrame:
    """The table, if it has these columns; one without lines has no kinds."""
    for name, kinds in columns.items():
        if name not in table or (len(table) and table[name].dtype.kind not in kinds):
            raise damaged(path, f"has no column {name} as it should be", stage)
    return table
