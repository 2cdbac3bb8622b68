"""JSON files and tables that one stage leaves to another: each is checked when it is read."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stages.run.digests import checked, damaged
from stages.run.errors import UserError

INTEGERS, NUMBERS, ANY = "iu", "iuf", "iufbOT"
"""Kinds of columns, as letters of NumPy's `dtype.kind`."""


def write_json(content: Any, path: Path) -> None:
    """Write JSON; UserError where a number is not finite, for which JSON has no word."""
    try:
        text = json.dumps(content, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path.name} would hold a number that is not finite; the results before it are wrong"
        ) from error
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, stage: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """The object of a JSON file.

    Parameters
    ----------
    stage : stage that writes this file, for error messages
    keys : keys that it has to have

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, or lacks a key.
    """
    with checked(path, stage) as file:
        try:
            content = json.load(file)
        except (ValueError, RecursionError) as error:
            raise damaged(path, "is no JSON", stage) from error
    if not isinstance(content, dict) or not content.keys() >= set(keys):
        raise damaged(path, f"lacks one of {', '.join(keys)}", stage)
    return content


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
