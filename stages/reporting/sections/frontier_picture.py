"""The picture of bytes per user against NDCG@100."""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import DPI, THOUSANDS, save
from stages.reporting.frontier import FRONT, by_bytes
from stages.reporting.results import NDCG

STEP_ASIDE = 1.03  # factor between rows of equal bytes, which would cover each other
NAME_WIDTH, NAME_HEIGHT = 280, 24  # pixels within which names would touch


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, and which of its points have a name."""
    return (
        "![Bytes per user against NDCG@100 of every row](figures/frontier.png)\n\n"
        "The rows of the Pareto front and the best row of each family are named."
    )


def draw(tables: Tables, folder: Path) -> None:
    """A point per row, and the Pareto front."""
    table = by_bytes(tables["plots/frontier"])
    aside = STEP_ASIDE ** table["family"].map({name: family.place for name, family in FAMILIES.items()}).astype(float)
    stored = table.assign(drawn_at=table["bytes_per_user"] * aside)[table["bytes_per_user"] > 0]
    front = stored[stored["standing"] == FRONT].sort_values("bytes_per_user")
    best = stored.loc[stored.groupby("family")[NDCG].idxmax()]
    figure, axes = plt.subplots(figsize=(11, 8), dpi=DPI, layout="constrained")
    _draw_rows(axes, stored)
    axes.step(
        front["drawn_at"], front[NDCG], where="post", color="#000000", linewidth=1, alpha=0.5, label="Pareto front"
    )
    _draw_rows_without_bytes(axes, table[table["bytes_per_user"] == 0])
    axes.set_xscale("log")
    axes.set_xticks(_ticks(table["bytes_per_user"]))
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.2, high * 1.5)
    axes.margins(y=0.12)  # room for names above one another
    figure.draw_without_rendering()
    _name_points(axes, pd.concat([front, best]).drop_duplicates("row"))
    axes.set_xlabel("bytes stored per user (rows of equal bytes side by side)")
    axes.set_ylabel("NDCG@100 on test users (bars: standard error)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8, frameon=True)
    save(figure, folder / "frontier.png")


def _draw_rows(axes: Axes, stored: pd.DataFrame) -> None:
    for name, rows in stored.groupby("family", sort=False):
        family = FAMILIES[str(name)]
        axes.errorbar(
            rows["drawn_at"], rows[NDCG], yerr=rows["standard_error"], fmt=family.marker, color=family.colour,
            markersize=8, elinewidth=0.6, alpha=0.9, label=family.label,
        )  # fmt: skip


def _draw_rows_without_bytes(axes: Axes, rows: pd.DataFrame) -> None:
    """As lines from side to side: a logarithmic axis has no 0."""
    for _, row in rows.iterrows():
        axes.axhline(row[NDCG], color="#555555", linestyle=":", linewidth=1)
        axes.annotate(
            f"{row['row']} (nothing stored)", (0.01, row[NDCG]), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", fontsize=8, color="#555555",
        )  # fmt: skip


def _ticks(sizes: "pd.Series[float]") -> list[float]:
    """The sizes, without those too near to the next to be read."""
    ticks: list[float] = []
    for size in sorted(set(sizes.round()) - {0}):
        if not ticks or size > 1.15 * ticks[-1]:
            ticks.append(size)
    return ticks


def _name_points(axes: Axes, table: pd.DataFrame) -> None:
    """Write each row's name beside its point, moved up where names would lie on one another."""
    taken: list[tuple[float, float]] = []
    for _, row in table.sort_values(NDCG).iterrows():
        family = FAMILIES[row["family"]]
        x, y = axes.transData.transform((row["drawn_at"], row[NDCG]))
        x += family.side * NAME_WIDTH / 2  # the middle of its name
        near = [other_y for other_x, other_y in taken if abs(x - other_x) < NAME_WIDTH and other_y + NAME_HEIGHT > y]
        height = max([y, *(other_y + NAME_HEIGHT for other_y in near)])
        taken.append((x, height))
        axes.annotate(
            row["row"], (row["drawn_at"], row[NDCG]), xytext=(9 * family.side, (height - y) * 72 / DPI),
            textcoords="offset points", ha="left" if family.side > 0 else "right", va="center", fontsize=8,
            color=family.colour, in_layout=False,
        )  # fmt: skip
