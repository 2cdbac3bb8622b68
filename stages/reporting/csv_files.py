"""The report's tables as CSV files, from which its words and pictures can be made again."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from stages.run.digests import checked, damaged
from stages.run.errors import UserError

Tables = Mapping[str, pd.DataFrame]
"""By file name without ending, relative to the report's folder, such as plots/frontier."""


class Columns(NamedTuple):
    """Columns that a table has to have; it may have more, of numbers."""

    text: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    """Known in every line."""
    perhaps: tuple[str, ...] = ()
    """Numbers that may be unknown."""
    may_be_empty: bool = False
    """Whether it may have no lines."""
    more_text: tuple[str, ...] = ()
    """Columns of text that it may have."""

    @property
    def names(self) -> list[str]:
        """Of all that it has to have."""
        return [*self.text, *self.numbers, *self.perhaps]

    @property
    def all_text(self) -> tuple[str, ...]:
        """Columns of text; all others hold numbers."""
        return self.text + self.more_text

    def check(self, table: pd.DataFrame) -> None:
        """ValueError where a table is none of these columns."""
        if missing := [name for name in self.names if name not in table]:
            raise ValueError(f"there is no column {', '.join(missing)}")
        if table.empty and not self.may_be_empty:
            raise ValueError("there are no lines")
        if len(table) and not np.isfinite(table[list(self.numbers)]).all(axis=None):
            raise ValueError("a number is not known")


TableColumns = Mapping[str, Columns]
"""By the same names as `Tables`."""


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


def read_report_table(report: Path, name: str, columns: Columns) -> pd.DataFrame:
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
        table = read_table(path, columns.all_text)
        columns.check(table)
    except (OSError, ValueError) as error:
        raise damaged_table(report, name) from error
    return table


def damaged_table(report: Path, name: str) -> UserError:
    """For a table that does not hold what it should."""
    return damaged(report / f"{name}.csv", "is no table of this report", f"report@{report.name}")
