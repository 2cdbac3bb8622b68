"""serving.md: how long serving takes, with its picture."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from stages.reporting.figures import COLOURS, WIDTH, Theme, title
from stages.reporting.names import Names
from stages.reporting.tables import markdown
from stages.reporting.wording import code, each, paragraphs, picture, score
from stages.run.text import literal, one_line
from stages.serving.times import ServingTimes, WayTimes

PICTURE = "serving"
OF_STORES = "store_"
"""Names of the entries of reports/performance.json that are of a store of 50 million users begin so."""
OF_REBUILD = "store_upsert"
"""The one of these that has an upsert once more, against a rebuild."""
APART = 3
"""Points from the mark of one way of scoring to that of the next, as most have the same NDCG@100."""
MARKS = ["o", "s", "^", "D"]


def words_of(times: ServingTimes, data_set: str, command: str, performance: Mapping[str, Mapping[str, Any]]) -> str:
    """The page in Markdown.

    Parameters
    ----------
    data_set : its title
    command : that writes the page
    performance : entries of reports/performance.json
    """
    machine = times.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    sizes = sorted({(way.n_items, way.made_up) for way in times.ways})
    return paragraphs(
        f"# How long serving takes: {literal(data_set)}",
        f"Measured by `{command}` on {machine.date}: {machine.cpu}, {machine.cores} cores, {machine.threads} threads; "
        f"Python {machine.python}, {packages}; revision {machine.revision}. Times differ from run to run, so no stage "
        "makes this page.",
        picture(PICTURE, "Latency of one query against NDCG@100", folder="."),
        *(_of_items(times, n_items, made_up) for n_items, made_up in sizes),
        "A *query* is one user, from a code to the best 100 items, without those already seen; *batches* are of 512 "
        "users. A way of scoring that takes more than `serving.memory` is left out. *Memory* is what is kept loaded, "
        "the items' vectors included. Percentiles are of 1,000 queries, or as many as 3 seconds allow.",
        "## Users",
        _of_users(times),
        "A user is *encoded* from a history of the data set, and *looked up* in the store of all its users.",
        _of_stores(performance),
    )


def _of_items(times: ServingTimes, n_items: int, made_up: bool) -> str:
    ways = [way for way in times.ways if (way.n_items, way.made_up) == (n_items, made_up)]
    cells = {
        "row": code(way.row for way in ways),
        "scoring": [way.way for way in ways],
        "users/s in batches": [f"{way.users_per_second:,.0f}" for way in ways],
        "one query": _microseconds(way.p50 for way in ways),
        "99th percentile": _microseconds(way.p99 for way in ways),
        "memory": [f"{way.memory_bytes / 1e6:,.1f} MB" for way in ways],
        "of the exact top 100": [f"{way.overlap * 100:.3f} %" for way in ways],
    }
    if not made_up:
        cells["NDCG@100"] = each([float("nan") if way.ndcg is None else way.ndcg for way in ways], score)
    heading = f"## {n_items:,} items" + (", most of them made up" if made_up else "")
    drawn = "The data set's items, and others that are drawn from them with a little noise." if made_up else ""
    return paragraphs(heading, drawn, markdown(pd.DataFrame(cells)))


def _of_users(times: ServingTimes) -> str:
    users = times.users
    return markdown(
        pd.DataFrame(
            {
                "row": code(user.row for user in users),
                "encode, of many": _microseconds(user.encode for user in users),
                "encode one": _microseconds(user.encode_one for user in users),
                "look one up": _microseconds(user.look_up_p50 for user in users),
                "99th percentile": _microseconds(user.look_up_p99 for user in users),
                "look up in batches": [f"{user.looked_up_per_second:,.0f} users/s" for user in users],
                "users in the store": [f"{user.n_users:,}" for user in users],
            }
        )
    )


def _of_stores(performance: Mapping[str, Mapping[str, Any]]) -> str:
    """What the benchmark of large stores has measured; empty where it has not run."""
    entries = {
        entry["what"].partition(": ")[2]: entry
        for name, entry in performance.items()
        if name.startswith(OF_STORES) and name != OF_REBUILD
    }
    if not entries:
        return ""
    cells = {
        "of 20 bytes": [one_line(what) for what in entries],
        "": [f"{entry['ours']:,.{entry.get('digits', 1)}f} {entry['unit']}" for entry in entries.values()],
    }
    machines = sorted({f"{entry['cpu']}, {entry['cores']} cores, {entry['date']}" for entry in entries.values()})
    return paragraphs(
        "## 50 million users",
        markdown(pd.DataFrame(cells)),
        f"Measured by `python tests/benchmarks/store.py` ({'; '.join(machines)}).",
    )


def _microseconds(values: Iterable[float]) -> list[str]:
    """The cells of a column; milliseconds where they are many."""
    return [f"{value:,.1f} µs" if value < 1000 else f"{value / 1000:,.2f} ms" for value in values]


def draw(times: ServingTimes, theme: Theme) -> Figure | None:
    """A point per row and way of scoring of the data set's items, with a bar up to the 99th percentile."""
    ways = [way for way in times.ways if way.ndcg is not None]
    if not ways:
        return None
    names = list(dict.fromkeys(way.way for way in ways))
    figure = Figure(figsize=(WIDTH, 4.2))
    axes = figure.add_axes((0.078, 0.2, 0.912, 0.62))
    axes.set_xscale("log")
    axes.set_xlim(min(way.p50 for way in ways) / 2, 2 * max(way.p99 for way in ways))
    low, high = (end(way.ndcg or 0 for way in ways) for end in (min, max))
    room = 0.25 * (high - low) or 0.01
    axes.set_ylim(low - room, high + room)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlabel("µs of one query, logarithmic; a bar reaches to the 99th percentile")
    axes.set_ylabel("NDCG@100 on test users")
    for way in ways:
        number = names.index(way.way)
        below = offset_copy(axes.transData, figure, y=-APART * number, units="points")
        colour, marker = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        axes.plot([way.p50, way.p99], [way.ndcg or 0] * 2, color=colour, linewidth=1.2, transform=below)
        style = {"color": colour, "marker": marker, "markersize": 6, "markeredgecolor": theme.ground}
        axes.plot(way.p50, way.ndcg, linestyle="", transform=below, **style)  # type: ignore[arg-type]
    title(
        figure,
        theme,
        "How long does a query take? Up and left is better",
        f"From the code of one user to the best 100 of {ways[0].n_items:,} items; {times.machine.cpu}. "
        "Ways of scoring with the same NDCG@100 stand one below the other.",
    )
    handles = [
        Line2D([], [], color=COLOURS[n % len(COLOURS)], marker=MARKS[n % len(MARKS)], linestyle="", label=name)
        for n, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.07, 0.0), ncols=len(names))
    beside = Names(axes)
    for fastest in _fastest(ways):
        beside.add_to_point(fastest.row, fastest.p50, fastest.ndcg or 0, fontsize=7.5, color=theme.text)
    return figure


def _fastest(ways: list[WayTimes]) -> Iterable[WayTimes]:
    """Of each row."""
    for row in dict.fromkeys(way.row for way in ways):
        yield min((way for way in ways if way.row == row), key=lambda way: way.p50)
