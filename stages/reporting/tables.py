"""Tables in Markdown, and the cells of the table of the frontier in them."""

from collections.abc import Callable

import pandas as pd

from stages.reporting.wording import UNKNOWN, difference, share_interval
from stages.run.text import code


def markdown(frame: pd.DataFrame) -> str:
    """A table as GitHub shows it: the first column on the left, the others on the right."""
    align = ["left"] + ["right"] * (frame.shape[1] - 1)
    return frame.to_markdown(index=False, disable_numparse=True, colalign=align) if len(frame) else "None."


def row_names(table: pd.DataFrame) -> list[str]:
    """Names of rows, each with the row of fewer bytes that it repeats; table : columns row and repeats."""
    return [
        f"{code(row)} (= {code(repeated)})" if repeated else code(row)
        for row, repeated in zip(table["row"], table["repeats"], strict=True)
    ]


def share_cells(table: pd.DataFrame, name: str) -> list[str]:
    """Percent with 95 % intervals, from the columns <name>, <name>_low and <name>_high."""
    return _intervals(table, name, share_interval)


def difference_cells(table: pd.DataFrame, name: str) -> list[str]:
    """Differences of a metric with 95 % intervals, from the same columns."""
    return _intervals(table, name, difference)


def _intervals(table: pd.DataFrame, name: str, write: Callable[[float, float, float], str]) -> list[str]:
    columns = (table[column] for column in (name, f"{name}_low", f"{name}_high"))
    return [UNKNOWN if pd.isna(value) else write(value, low, high) for value, low, high in zip(*columns, strict=True)]
