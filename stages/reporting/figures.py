"""How the pictures of a report look, on light and on dark ground."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

WIDTH = 8.3  # inches; at 100 pixels per inch as wide as GitHub shows a picture
DPI = 150  # sharp on fine screens too
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00", "#9A6CF0"]  # of lines that are no family
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")
LINE_HEIGHT = 0.15  # inches of a name


class Theme(NamedTuple):
    """The ground of a picture, and what is drawn on it beside the data; GitHub's own colours."""

    ending: str
    """Of the file's name."""
    ground: str
    text: str
    quiet: str
    """Of what explains the data: axes, notes, reference lines."""
    grid: str


LIGHT = Theme("", ground="#ffffff", text="#1f2328", quiet="#59636e", grid="#e7ebef")
DARK = Theme("-dark", ground="#0d1117", text="#f0f6fc", quiet="#9198a1", grid="#222830")


def write_picture(name: str, draw: Callable[[Theme], Figure | None], folder: Path) -> None:
    """Write a picture for light and for dark ground, as `wording.picture` shows it.

    Parameters
    ----------
    name : of the files, without ending
    draw : makes the picture; None where there is nothing to draw
    """
    for theme in (LIGHT, DARK):
        with look_of(theme):
            figure = draw(theme)
            if figure:
                # Without the version of Matplotlib: the same data give the same bytes.
                figure.savefig(folder / f"{name}{theme.ending}.png", dpi=DPI, metadata={"Software": None})


def look_of(theme: Theme) -> AbstractContextManager[None]:
    """In which a picture for this ground has to be made and written."""
    settings: dict[str, Any] = {
        "font.size": 8,
        "text.parse_math": False,  # a $ is a $
        "text.hinting": "none",  # a name is as wide whatever the pixels per inch
        "figure.facecolor": theme.ground,
        "axes.facecolor": theme.ground,
        "text.color": theme.text,
        "axes.labelcolor": theme.quiet,
        "axes.edgecolor": theme.quiet,
        "xtick.color": theme.quiet,
        "ytick.color": theme.quiet,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 8.5,
        "axes.titlelocation": "left",
        "axes.grid": True,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "legend.fontsize": 7.5,
        "lines.linewidth": 1.6,
    }
    return rc_context(settings)  # type: ignore[arg-type]  # Matplotlib's types list every key


def title(figure: Figure, theme: Theme, words: str, how_to_read: str, inches: float = 0.1) -> None:
    """What the picture shows, and below it how to read it.

    Parameters
    ----------
    inches : from the upper edge
    """
    height = figure.get_figheight()
    top = 1 - inches / height
    figure.text(0.012, top, words, fontsize=11, fontweight="bold", va="top")
    figure.text(0.012, top - 0.24 / height, how_to_read, fontsize=8, color=theme.quiet, va="top", linespacing=1.35)


def name_ends(axes: Axes, theme: Theme, names: Sequence[str]) -> None:
    """Write the name of each line to the right of the axes, at the height of its end or as near as there is room.

    Parameters
    ----------
    axes : finished, as its limits decide where names stand
    names : of the first lines of the axes, in their order
    """
    if not names:
        return
    inches = axes.bbox.height / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    apart = LINE_HEIGHT * max(name.count("\n") + 1 for name in names) / inches
    lines, (low, high) = axes.get_lines()[: len(names)], axes.get_ylim()
    ends = np.array([np.asarray(line.get_xydata())[-1] for line in lines])
    heights = ((ends[:, 1] - low) / (high - low)).tolist()
    for line, name, height, place in zip(lines, names, heights, spread(heights, apart), strict=True):
        style = {"color": line.get_color(), "linewidth": 1, "linestyle": line.get_linestyle(), "arrowstyle": "-"}
        axes.annotate(
            name, (ends[:, 0].max(), height), xycoords=("data", "axes fraction"), xytext=(1.06, place),
            textcoords="axes fraction", va="center", fontsize=7.5, color=theme.text,
            arrowprops={**style, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)},
        )  # fmt: skip


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Heights in the order of the wanted ones and near to them, but this far apart, and from 0 to 1 if there is room.

    Each is pushed up by those below it; then all that stand too high are pushed down.
    """
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places = [min(max(place, 0.0), 1.0) for place in wanted]
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + apart)
    highest = 1.0
    for number in reversed(order):
        places[number] = min(places[number], highest)
        highest = places[number] - apart
    return places
