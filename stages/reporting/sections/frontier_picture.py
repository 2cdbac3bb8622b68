"""The picture of bytes per user against NDCG@100."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import THOUSANDS, WIDTH, Theme, title
from stages.reporting.frontier import FRONT, by_bytes
from stages.reporting.headline import best_within
from stages.reporting.marks import side_by_side
from stages.reporting.names import Names
from stages.reporting.paper import TABLE_1, rows_of_the_paper
from stages.reporting.results import NDCG
from stages.reporting.wording import paragraphs, picture

PICTURE = "frontier"
NAMED = 12  # points at most
SIZES_OF_THE_PAPER = sorted({row.bytes_per_user for row in TABLE_1.values()})
DOT = 2.3  # points, inside a mark
FAR = 1.5  # Tukey's outliers: times the range of the middle half of the rows
TICKS_APART = 1.3  # factor from tick to tick


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, and how to read it."""
    return paragraphs(
        picture(PICTURE, "Bytes per user against NDCG@100 of every row"),
        "Up and left is better. A mark with a dot inside is of codes that are chosen by scores. A bar is the 95 % "
        "interval of the row's difference to its float model, paired by user and seed: where it crosses the line of "
        "that model, the difference is not significant. Named are the best codes above, which the validation users "
        "chose, then the Pareto front, which is of the test users, the best row of each family and the paper's rows: "
        f"{NAMED} at most.",
    )


def draw(tables: Tables, theme: Theme) -> Figure:
    """A point per row, the Pareto front, and lines for what the rows are held against."""
    table = by_bytes(tables["plots/frontier"])
    twin = table[NDCG] - table["difference"]
    table = table.assign(low=twin + table["difference_low"], high=twin + table["difference_high"])
    stored = table[table["bytes_per_user"] > 0].reset_index(drop=True)
    twins = [name for name in table["float_twin"].value_counts().index if name]  # the one of most rows first
    figure = Figure(figsize=(WIDTH, 6.3))
    axes = figure.add_axes((0.078, 0.18, 0.912, 0.7))
    axes.set_xscale("log")
    axes.set_xlim(stored["bytes_per_user"].min() / 1.6, stored["bytes_per_user"].max() * 1.6)
    axes.set_ylim(*_limits(stored))
    _draw_axis_of_bytes(axes, stored["bytes_per_user"], theme)
    stored = _placed(axes, stored)
    levels = table[table["row"].isin(twins) | (table["family"] == "reference")]
    shown = levels[levels[NDCG] > axes.get_ylim()[0]]
    for _, row in shown.iterrows():
        axes.axhline(row[NDCG], color=theme.quiet, linestyle="-" if row["row"] in twins[:1] else ":", linewidth=0.9)
    front = stored[stored["standing"] == FRONT].sort_values("bytes_per_user")
    axes.step(front["x"], front[NDCG], where="post", color=theme.quiet, linewidth=1.6, alpha=0.7)
    named = _to_name(stored[~stored["row"].isin(shown["row"])])
    for _, row in stored.iterrows():
        _draw_point(axes, row, row["row"] in {*named, *shown["row"]}, row["float_twin"] in twins[1:], theme)
    _explain(figure, stored["family"].unique(), twins[1:], bool((stored["nearest_twin"] != "").any()), theme)
    _name(axes, stored, named, levels, theme)
    return figure


def _limits(stored: pd.DataFrame) -> tuple[float, float]:
    """Of NDCG@100: of all rows but those far below the others, which would press these together."""
    quarter, three_quarters = stored[NDCG].quantile([0.25, 0.75])
    near = stored[stored[NDCG] >= quarter - FAR * (three_quarters - quarter)]
    low = min(near[NDCG].min(), near["low"].quantile(0.1))  # of a few long bars the lower ends are cut
    high = np.nanmax(near[[NDCG, "high"]])
    room = 0.06 * (high - low) or 0.01
    return low - 1.5 * room, high + room


def _draw_axis_of_bytes(axes: Axes, sizes: "pd.Series[float]", theme: Theme) -> None:
    """Ticks at the paper's sizes, and at the rows' where there is room."""
    low, high = axes.get_xlim()
    ticks = [float(size) for size in SIZES_OF_THE_PAPER if low < size < high]
    for size in sorted(set(sizes.round()) - {0}):
        if all(max(size / tick, tick / size) > TICKS_APART for tick in ticks):
            ticks.append(size)
    axes.set_xticks(sorted(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(THOUSANDS)
    for tick, label, line in zip(sorted(ticks), axes.get_xticklabels(), axes.get_xgridlines(), strict=True):
        if tick in SIZES_OF_THE_PAPER:
            label.set(fontweight="bold", color=theme.text)
            line.set_linewidth(7)
    axes.set_xlabel("bytes stored per user, logarithmic; shaded: sizes in the paper (rows of equal bytes side by side)")
    axes.set_ylabel("NDCG@100 on test users")


def _placed(axes: Axes, stored: pd.DataFrame) -> pd.DataFrame:
    """With columns x and y, where a row is drawn, and is_below: it has less than the axis shows, and is at its foot."""
    bottom, top = axes.get_ylim()
    y = stored[NDCG].clip(lower=bottom + 0.022 * (top - bottom))
    placed = stored.assign(x=stored["bytes_per_user"], y=y, is_below=stored[NDCG] <= bottom)
    return placed.assign(x=side_by_side(axes, placed))


def _to_name(stored: pd.DataFrame) -> Sequence[str]:
    """The best codes as the validation users choose, the Pareto front, the best of each family, the paper's rows."""
    best = stored.loc[stored.groupby("family", sort=False)[NDCG].idxmax(), "row"]
    of_the_paper = rows_of_the_paper(stored.set_index("row")["bytes_per_user"])
    chosen, front = best_within(stored).values(), stored.loc[stored["standing"] == FRONT, "row"]
    return list(dict.fromkeys([*chosen, *front, *best, *of_the_paper]))[:NAMED]


def _draw_point(axes: Axes, row: "pd.Series[float]", is_named: bool, is_hollow: bool, theme: Theme) -> None:
    """A mark and its bar; pale without a name, with a dot where codes are chosen by scores."""
    family, alpha = FAMILIES[str(row["family"])], 1 if is_named else 0.5
    if pd.notna(row["low"]) and not row["is_below"]:
        axes.vlines(row["x"], row["low"], row["high"], color=family.colour, linewidth=1.2, alpha=alpha)
    axes.plot(
        row["x"], row["y"], marker=family.marker, markersize=7 if is_named else 6, alpha=alpha, zorder=3,
        markerfacecolor=theme.ground if is_hollow else family.colour,
        markeredgecolor=family.colour if is_hollow else theme.ground, markeredgewidth=1.2 if is_hollow else 0.6,
    )  # fmt: skip
    if row["nearest_twin"]:
        dot = family.colour if is_hollow else theme.ground
        axes.plot(row["x"], row["y"], marker="o", markersize=DOT, color=dot, markeredgewidth=0, zorder=4)


def _explain(figure: Figure, families: Collection[str], hollow: Sequence[str], has_dots: bool, theme: Theme) -> None:
    title(
        figure,
        theme,
        "How few bytes per user are enough? Up and left is better",
        "Bars: 95 % interval of the difference to the row's float model, paired by user and seed.\n"
        "A bar that crosses the line of that model: no significant difference.",
    )
    handles = [Line2D([], [], color=theme.quiet, linewidth=1.6, alpha=0.7, label="Pareto front")]
    handles += [
        Line2D([], [], color=family.colour, marker=family.marker, linestyle="", label=family.label)
        for name, family in FAMILIES.items()
        if name in families
    ]
    style = {"color": theme.quiet, "marker": "o", "markerfacecolor": theme.ground, "linestyle": ":"}
    handles += [Line2D([], [], **style, label=f"hollow: float model is {', '.join(hollow)}")] if hollow else []  # type: ignore[arg-type]
    if has_dots:
        style |= {"linestyle": "", "markersize": DOT + 2, "markeredgewidth": 2}  # type: ignore[dict-item]
        handles.append(Line2D([], [], **style, label="dot inside: codes chosen by scores"))  # type: ignore[arg-type]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.07, 0.0), ncols=3, columnspacing=1.5)


def _name(axes: Axes, stored: pd.DataFrame, named: Sequence[str], levels: pd.DataFrame, theme: Theme) -> None:
    """Lines first, which can be named in few places; no name is better than one on something else."""
    names, bottom, style = Names(axes), axes.get_ylim()[0], {"fontsize": 7.5, "color": theme.quiet}
    for _, row in levels.iterrows():
        kind = "reference" if row["family"] == "reference" else "float model"
        size = f"{row['bytes_per_user']:,.0f} bytes" if row["bytes_per_user"] else "nothing stored"
        if row[NDCG] > bottom:
            names.add_to_line(f"{kind} {row['row']}, {size}", row[NDCG], **style)
        elif not row["bytes_per_user"]:
            names.add_to_line(f"↓ {kind} {row['row']}, {size}: {row[NDCG]:.3f}", bottom, **style)
    style["color"] = theme.text
    order = {name: number for number, name in enumerate(named)}  # the first find the nearest place
    for _, row in stored.sort_values("row", key=lambda name: name.map(order)).iterrows():
        words_beside = [row["row"]] if row["row"] in order else []
        words_beside += [f"↓ {row[NDCG]:.3f}"] if row["is_below"] else []
        if words_beside:
            names.add_to_point(" ".join(words_beside), row["x"], row["y"], **style)
