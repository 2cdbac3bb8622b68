"""The report's tables as CSV files, from which its words and pictures can be made again."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from stages.run.digests import checked, damaged
from stages.run.errors import UserError

Tables = Mapping[str, pd.DataFrame]
"""By file name without ending, relative to the report's folder, such as plots/frontier."""
TextColumns = Mapping[str, Collection[str]]
"""Table → its columns of text; all others hold numbers."""


def write_table(table: pd.DataFrame, path: Path, text: Collection[str]) -> None:
    """Write floats with six digits, empty where they are NaN.

    Parameters
    ----------
    text : columns of text, which may be empty but not missing

    Raises
    ------
    ValueError
        where a column could not be read back as it is: text that `text` does not name, or a missing text.
    """
    for name, column in table.items():
        if name in text:
            if not column.map(lambda value: isinstance(value, str)).all():
                raise ValueError(f"{path.name}: column {name} holds more than text")
        elif len(column) and not is_numeric_dtype(column):
            raise ValueError(f"{path.name}: column {name} holds text, and is not named as one that does")
    table.to_csv(path, index=False, float_format="%.6g", encoding="utf-8")


def read_table(path: Path, text: Collection[str]) -> pd.DataFrame:
    """Read a table as `write_table` left it.

    Parameters
    ----------
    text : columns whose cells stay text, whatever they look like; an empty cell is an empty text there, and NaN in all
        other columns

    Raises
    ------
    OSError, ValueError
        where the file is missing or damaged.
    """
    columns = pd.read_csv(path, nrows=0, encoding="utf-8").columns
    numbers = [name for name in columns if name not in text]
    table = pd.read_csv(
        path,
        dtype={name: str for name in columns if name in text},
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
        encoding="utf-8",
    )
    for name in numbers:
        if len(table) and not is_numeric_dtype(table[name]):
            raise ValueError(f"{path}: column {name} holds more than numbers")
    return table


def read_report_table(report: Path, name: str, text: Collection[str]) -> pd.DataFrame:
    """Read a table of a report; UserError where it is missing, or not as the stage report wrote it.

    Parameters
    ----------
    report : folder of the report, named as its data set
    name : of the table, such as plots/frontier
    """
    path = report / f"{name}.csv"
    if not path.exists():
        raise UserError(f"there is no report at {path}; run: dvc repro report@{report.name}")
    checked(path, f"report@{report.name}").close()
    try:
        return read_table(path, text)
    except (OSError, ValueError) as error:
        raise damaged_table(report, name) from error


def damaged_table(report: Path, name: str) -> UserError:
    """For a table that does not hold what it should."""
    return damaged(report / f"{name}.csv", "is no table of this report", f"report@{report.name}")
