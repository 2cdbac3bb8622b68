"""The report's pictures, each drawn from the table that is kept beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no screen is needed
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from stages.reporting.frontier import knee_of
from stages.reporting.results import FAMILIES

# Okabe & Ito's colours, which colour-blind readers can tell apart; the markers tell the same.
# Third, the side of its point on which a row's name stands: float rows have the picture's free space on the left.
STYLE = {
    "float": ("#0072B2", "o", -1),
    "trained": ("#D55E00", "s", 1),
    "product": ("#009E73", "^", 1),
    "additive": ("#CC79A7", "P", 1),
    "whole": ("#000000", "*", 1),
    "scalar": ("#E69F00", "X", -1),
    "history": ("#56B4E9", "v", 1),
    "reference": ("#555555", "D", 1),
}
NAME_WIDTH, NAME_HEIGHT = 280, 24  # pixels within which names would touch
# Powers of a factor that keep rows of equal bytes from covering each other.
APART = {
    "float": -3,
    "trained": -1,
    "product": 1,
    "additive": 2,
    "whole": 0,
    "scalar": -2,
    "history": 3,
    "reference": 0,
}
STEP_APART = 1.03
LINES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#000000", "#9A6324"]
DASHES: list[Any] = ["-", "--", ":", "-.", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1))]  # with LINES: 54 rows
DPI = 150
LineStyles = dict[str, dict[str, Any]]  # by row


def draw_frontier(table: pd.DataFrame, path: Path) -> None:
    """Bytes per user against NDCG@100, with the Pareto front; its rows are named, and the best of each family.

    Parameters
    ----------
    table : of `stages.reporting.frontier.all_rows`
    """
    figure, axes = plt.subplots(figsize=(11, 8), dpi=DPI, layout="constrained")
    stored = table[table["bytes_per_user"] > 0]
    apart = STEP_APART ** stored["family"].map(APART).astype(float)
    stored = stored.assign(drawn_at=stored["bytes_per_user"] * apart)
    for family, rows in stored.groupby("family", sort=False):
        colour, marker, _ = STYLE[str(family)]
        axes.errorbar(
            rows["drawn_at"],
            rows["ndcg@100"],
            yerr=rows["standard_error"],
            fmt=marker,
            color=colour,
            markersize=8,
            elinewidth=0.6,
            alpha=0.9,
            label=FAMILIES[str(family)],
        )
    front = stored[stored["standing"] == "front"].sort_values("bytes_per_user")
    axes.step(
        front["drawn_at"],
        front["ndcg@100"],
        where="post",
        color="#000000",
        linewidth=1,
        alpha=0.5,
        label="Pareto front",
    )
    for _, row in table[table["bytes_per_user"] == 0].iterrows():
        axes.axhline(row["ndcg@100"], color="#555555", linestyle=":", linewidth=1)
        axes.annotate(
            f"{row['row']} (nothing stored)", (0.01, row["ndcg@100"]), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="#555555",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(_ticks(table["bytes_per_user"]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.2, high * 1.5)
    axes.margins(y=0.12)  # room for names above one another
    figure.draw_without_rendering()
    best = stored.loc[stored.groupby("family")["ndcg@100"].idxmax()]
    _name_points(axes, pd.concat([front, best]).drop_duplicates("row"))
    axes.set_xlabel("bytes stored per user (rows of equal bytes side by side)")
    axes.set_ylabel("NDCG@100 on test users (bars: standard error)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8, frameon=True)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_codebook_size(sizes: pd.DataFrame, convergence: pd.DataFrame, path: Path) -> None:
    """What whole-vector k-means loses by its number of centroids, and how it converges.

    Parameters
    ----------
    sizes : columns row, size, variance_lost
    convergence : columns row, iteration, error
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for (row, some), colour in zip(sizes.groupby("row", sort=False), LINES, strict=False):
        left.plot(some["size"], some["variance_lost"], "o-", color=colour, label=str(row))
        knee = knee_of(some)
        lost = some.loc[some["size"] == knee, "variance_lost"].iloc[0]
        left.annotate(f"knee: {knee}", (knee, lost), xytext=(8, 8), textcoords="offset points", fontsize=9)
    left.set_xscale("log", base=2)
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    left.set_title("share of the variance lost, by number of centroids", fontsize=10)
    left.set_xlabel("centroids")
    for number, (row, steps) in enumerate(convergence.groupby("row", sort=False) if len(convergence) else []):
        style = {"color": LINES[number % len(LINES)], "linestyle": DASHES[number // len(LINES) % len(DASHES)]}
        right.plot(steps["iteration"], steps["error"], marker=".", label=str(row), **style)
    right.set_title("mean squared error before each iteration of k-means", fontsize=10)
    right.set_xlabel("iteration")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def line_styles(rows: Iterable[str]) -> LineStyles:
    """How each row of the report is drawn, in every picture alike."""
    return {
        row: {"color": LINES[number % len(LINES)], "linestyle": DASHES[number // len(LINES) % len(DASHES)]}
        for number, row in enumerate(dict.fromkeys(rows))
    }


def draw_curves(table: pd.DataFrame, styles: LineStyles, path: Path) -> None:
    """Loss and validation NDCG@100 per epoch.

    Parameters
    ----------
    table : columns row, epoch, loss, validation_ndcg
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    titles = {"loss": "training loss (with dropout)", "validation_ndcg": "NDCG@100 on validation users"}
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        for row, curve in table.groupby("row", sort=False):
            marker = "o" if len(curve) == 1 else ""  # a line of one point is no line
            axes.plot(curve["epoch"], curve[column], marker=marker, linewidth=1.3, label=str(row), **styles[str(row)])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    _legend_below(figure, panels[0])
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_code_usage(table: pd.DataFrame, styles: LineStyles, path: Path) -> None:
    """Perplexity and dead codes of each codebook.

    Parameters
    ----------
    table : columns row, codebook, perplexity, dead
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    titles = {"perplexity": "perplexity of the codes (256: all used alike)", "dead": "dead codes of 256"}
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        for row, usage in table.groupby("row", sort=False):
            axes.plot(usage["codebook"], usage[column], marker=".", linewidth=1, label=str(row), **styles[str(row)])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("codebook")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=-0.02 * table[column].to_numpy().max(initial=5))  # a line at 0 stays visible
        axes.grid(alpha=0.25)
    _legend_below(figure, panels[0])
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_long_tail(
    distribution: pd.DataFrame, activity: pd.DataFrame, popularity: pd.DataFrame, styles: LineStyles, path: Path
) -> None:
    """How unevenly interactions are spread, and how NDCG@100 depends on it.

    Parameters
    ----------
    distribution : columns of (user or item), rank, interactions
    activity, popularity : columns row, quarter, ndcg@100; quarters from the least active users, and from the most
        popular items
    """
    figure, panels = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    for axes, (of, tail), colour in zip(panels[0], distribution.groupby("of", sort=False), LINES, strict=False):
        axes.plot(tail["rank"], tail["interactions"], ".-", markersize=4, linewidth=1, color=colour)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(f"interactions per {of}", fontsize=10)
        axes.set_xlabel(f"rank of the {of}")
        axes.grid(alpha=0.25)
    titles = {
        "NDCG@100 by quarters of test users, from the fewest interactions": activity,
        "NDCG@100 by quarters of interactions, from the most popular items": popularity,
    }
    for axes, (title, table) in zip(panels[1], titles.items(), strict=True):
        for row, line in table.groupby("row", sort=False):
            axes.plot(line["quarter"], line["ndcg@100"], marker="o", linewidth=1.3, label=str(row), **styles[str(row)])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("quarter")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    _legend_below(figure, panels[1][1])
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def draw_sweep(trials: pd.DataFrame, learning_rate: float, l2: float, path: Path) -> None:
    """NDCG@100 of each trial by learning rate and L2.

    Parameters
    ----------
    trials : columns learning_rate, l2, validation_ndcg, stopped_early
    learning_rate, l2 : those in params.yaml
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axes, column, today in zip(panels, ("learning_rate", "l2"), (learning_rate, l2), strict=True):
        for stopped, marker, label in ((False, "o", "trained to its end"), (True, "x", "stopped early")):
            some = trials[trials["stopped_early"] == stopped]
            axes.scatter(some[column], some["validation_ndcg"], marker=marker, color=LINES[int(stopped)], label=label)
        if today > 0:
            axes.axvline(today, color="#555555", linestyle=":", linewidth=1, label="in params.yaml")
        axes.set_xscale("log")
        axes.set_xlabel({"learning_rate": "learning rate", "l2": "L2, divided by the batch size"}[column])
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("best NDCG@100 on validation users")
    panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=8)


def _ticks(sizes: pd.Series) -> list[float]:
    """The sizes, without those too near to the next to be read."""
    ticks: list[float] = []
    for size in sorted(set(sizes.round()) - {0}):
        if not ticks or size > 1.15 * ticks[-1]:
            ticks.append(size)
    return ticks


def _name_points(axes: Axes, table: pd.DataFrame) -> None:
    """Write each row's name beside its point, moved up where names would lie on one another."""
    taken: list[tuple[float, float]] = []
    for _, row in table.sort_values("ndcg@100").iterrows():
        colour, _, side = STYLE[row["family"]]
        x, y = axes.transData.transform((row["drawn_at"], row["ndcg@100"]))
        x += side * NAME_WIDTH / 2  # the middle of its name
        near = [other_y for other_x, other_y in taken if abs(x - other_x) < NAME_WIDTH and other_y + NAME_HEIGHT > y]
        height = max([y, *(other_y + NAME_HEIGHT for other_y in near)])
        taken.append((x, height))
        axes.annotate(
            row["row"], (row["drawn_at"], row["ndcg@100"]), xytext=(9 * side, (height - y) * 72 / DPI),
            textcoords="offset points", ha="left" if side > 0 else "right", va="center", fontsize=8, color=colour,
            in_layout=False,
        )  # fmt: skip
