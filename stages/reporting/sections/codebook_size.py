"""How many centroids are enough for k-means of whole vectors."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.figures import COLOURS, THOUSANDS, WIDTH, Theme, title
from stages.reporting.names import Names
from stages.reporting.results import NDCG, Results
from stages.reporting.wording import paragraphs, picture

PICTURE = "codebook_size"
TABLES: TableColumns = {
    "plots/codebook_size": Columns(("row",), ("size", "variance_lost", NDCG), may_be_empty=True),
    "figures/convergence": Columns(("row",), ("iteration", "error"), may_be_empty=True),
}


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Rows by their number of centroids, where their loss is known; and the mean squared error before each iteration of
    their k-means.
    """
    sizes = [
        (row.base, row.centroids, row.variance_lost, row.mean(NDCG))
        for row in results.rows
        if row.centroids is not None and row.variance_lost is not None
    ]
    errors = [
        (row.name, iteration, error) for row in results.rows for iteration, error in enumerate(row.fit_errors, start=1)
    ]
    table = pd.DataFrame(sizes, columns=TABLES["plots/codebook_size"].names)
    return {
        "plots/codebook_size": table.sort_values(["row", "size"], ignore_index=True),
        "figures/convergence": pd.DataFrame(errors, columns=TABLES["figures/convergence"].names),
    }


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture and the knees; nothing where no row is by whole-vector k-means."""
    sizes = tables["plots/codebook_size"]
    if sizes.empty:
        return ""
    knees = [
        f"The knee of `{row}` is at **{knee_of(table)} centroids**." for row, table in sizes.groupby("row", sort=False)
    ]
    return paragraphs(
        "## The number of centroids",
        picture(PICTURE, "Variance lost by the number of centroids, and the convergence of k-means"),
        " ".join(
            [
                *knees,
                "The knee is the size farthest below the straight line from the smallest to the largest, over the",
                "logarithm of the size. K-means stops once an iteration gains less than 0.01 % of the error, or after",
                "100 iterations.",
            ]
        ),
    )


def draw(tables: Tables, theme: Theme) -> Figure | None:
    """Two panels: variance lost by the number of centroids, and error by iteration; None without k-means."""
    sizes, convergence = tables["plots/codebook_size"], tables["figures/convergence"]
    if sizes.empty:
        return None
    figure = Figure(figsize=(WIDTH, 3.1))
    title(
        figure,
        theme,
        "How many centroids are enough for k-means of whole users?",
        "Left: beyond the knee, doubling the centroids gains little. Right: flat at the end, the fit has converged.",
    )
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(0.06, 0.15, 0.99, 0.74, wspace=0.12)
    _draw_sizes(left, sizes, theme)
    _draw_convergence(right, convergence)
    for axes in (left, right):
        axes.set_ylim(0, 1.06 * axes.dataLim.ymax or 1)  # a mark at the top is whole
    names = Names(right)
    for row, steps in convergence.groupby("row", sort=False):
        end = steps.iloc[-1]
        names.add_to_point(str(row), end["iteration"], end["error"], fontsize=7.5)
    return figure


def knee_of(table: pd.DataFrame) -> int:
    """The size whose loss is farthest below the straight line from the first to the last, over its logarithm.

    Kneedle (Satopää et al. 2011) without smoothing: both axes from 0 to 1. The smallest size where there are not three.

    Parameters
    ----------
    table : columns size and variance_lost, by rising size
    """
    sizes, lost = table["size"].to_numpy(), table["variance_lost"].to_numpy()
    if len(sizes) < 3 or lost[0] <= lost[-1]:
        return int(sizes[0])
    along = np.log(sizes / sizes[0]) / np.log(sizes[-1] / sizes[0])
    fallen = (lost[0] - lost) / (lost[0] - lost[-1])
    return int(sizes[np.argmax(fallen - along)])


def _draw_sizes(axes: Axes, sizes: pd.DataFrame, theme: Theme) -> None:
    for (row, table), colour in zip(sizes.groupby("row", sort=False), cycle(COLOURS)):
        axes.plot(table["size"], table["variance_lost"], "o-", color=colour, label=str(row))
        knee = knee_of(table)
        lost = table.loc[table["size"] == knee, "variance_lost"].iloc[0]
        axes.plot(knee, lost, "o", color=colour, markersize=11, markerfacecolor="none")
        axes.annotate(f"knee: {knee}", (knee, lost), xytext=(8, 8), textcoords="offset points", color=theme.text)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.set_title("share of the variance lost")
    axes.set_xlabel("centroids")
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend()


def _draw_convergence(axes: Axes, convergence: pd.DataFrame) -> None:
    for (_, steps), colour in zip(convergence.groupby("row", sort=False), cycle(COLOURS)):
        axes.plot(steps["iteration"], steps["error"], marker=".", color=colour)
    axes.set_title("mean squared error before each iteration")
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
