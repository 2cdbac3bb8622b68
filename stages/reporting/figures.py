"""What the report's pictures have in common, and the picture of a sweep."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no screen is needed
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

LINES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#000000", "#9A6324"]
DASHES: list[Any] = ["-", "--", ":", "-.", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1))]  # with LINES: 54 rows
DPI = 150
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")
LineStyles = dict[str, dict[str, Any]]  # by row


def line_styles(rows: Iterable[str]) -> LineStyles:
    """How each row is drawn as a line: every picture gives the same rows, so that a row looks alike in all of them."""
    return {
        row: {"color": LINES[number % len(LINES)], "linestyle": DASHES[number // len(LINES) % len(DASHES)]}
        for number, row in enumerate(dict.fromkeys(rows))
    }


def draw_lines(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    styles: LineStyles,
    title: str,
    marker: str = "",
    linewidth: float = 1.3,
) -> None:
    """A line per row over whole numbers.

    Parameters
    ----------
    table : columns row, x, y
    marker : of every point; a line of one point, which is no line, has one anyway
    """
    for row, line in table.groupby("row", sort=False):
        shown = marker or ("o" if len(line) == 1 else "")
        axes.plot(line[x], line[y], marker=shown, linewidth=linewidth, label=str(row), **styles[str(row)])
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, of the lines in one of them."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=8)


def save(figure: Figure, path: Path) -> None:
    """Write the picture, and free its memory."""
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
