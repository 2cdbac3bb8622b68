"""reports/scale.json: time and memory against size; scale.md and performance.md show them in tables and as lines.

python tests/benchmarks/growth.py    makes the tables and the picture again
"""

import json
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from tabulate import tabulate

from stages.reporting.figures import COLOURS, THOUSANDS, Theme, write_picture
from stages.run import paths
from stages.run.facts import machine
from stages.run.files import whole_file
from tests.marks import between

PATH = paths.REPORTS / "scale.json"
SECONDS_BETWEEN_LOOKS = 0.1
PAGES = {
    "scale": {"encode": "users encoded", "preprocess": "rows preprocessed"},
    "performance": {"stages": "ratings"},
}
"""Page → what its tables and lines are of."""
HEIGHT = 3.2  # inches of the picture


def record(kind: str, way: str, size: int, seconds: float, memory: "Peak", **more: Any) -> None:
    """Put a measurement in the place of the last one of this kind, way and size, and make the page again.

    Parameters
    ----------
    kind : of `PAGES`
    way : how it was done, such as "Ray, 2 workers"
    size : users or rows
    more : other figures, or digests, that belong to it
    """
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[f"{kind}, {way}, {size}"] = {
        "kind": kind,
        "way": way,
        "size": size,
        "seconds": round(seconds, 1),
        "memory_gb": round(memory.command, 2),
        "worker_gb": round(memory.worker, 2) or None,
        **more,
        "date": datetime.now(UTC).date().isoformat(),
        **machine(),
    }
    with whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    write_pages()
    print(json.dumps(entries[f"{kind}, {way}, {size}"]), flush=True)


class Peak:
    """The most memory of its own that a command had, and that any of the processes it started had, in GB.

    What is mapped from a file, and may go whenever memory is short, is not in it.
    """

    command = worker = 0.0

    def look(self, process: psutil.Process) -> None:
        """Take down what each has now."""
        with suppress(psutil.NoSuchProcess):  # it has just ended
            self.command = max(self.command, _own_memory(process))
            self.worker = max([self.worker, *map(_own_memory, process.children(recursive=True))])


def _own_memory(process: psutil.Process) -> float:
    """In GB; 0 where it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) * 1024 / 1e9


@contextmanager
def watched(pid: int | None = None) -> Iterator[Peak]:
    """Look at a process, or at this one, and at all below it, for as long as the block takes."""
    peak, done, process = Peak(), threading.Event(), psutil.Process(pid)

    def look() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            peak.look(process)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def write_pages() -> None:
    """The tables between the pages' marks, and the pictures."""
    entries = list(json.loads(PATH.read_text()).values())
    for page, titles in PAGES.items():
        path = paths.REPORTS / f"{page}.md"
        text = path.read_text()
        for kind in titles:
            begin, end = f"<!-- {kind}: python tests/benchmarks/growth.py -->\n", f"<!-- end of {kind} -->"
            table = _table([entry for entry in entries if entry["kind"] == kind])
            text = between(text, begin, end, f"{table}\n")
        with whole_file(path) as temporary:
            temporary.write_text(text)
        write_picture(page, partial(_picture, entries, titles), paths.REPORTS)


def _ways(entries: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Of each way, by size."""
    ways: dict[str, list[dict[str, Any]]] = {entry["way"]: [] for entry in entries}
    for entry in sorted(entries, key=lambda entry: entry["size"]):
        ways[entry["way"]].append(entry)
    return ways


def exponent(smaller: dict[str, Any], larger: dict[str, Any]) -> float:
    """1 where time grows as the size does."""
    return math.log(larger["seconds"] / smaller["seconds"]) / math.log(larger["size"] / smaller["size"])


def _table(entries: list[dict[str, Any]]) -> str:
    lines = []
    for way, measured in _ways(entries).items():
        grown = [None, *(exponent(*pair) for pair in pairwise(measured))]
        for entry, growth in zip(measured, grown, strict=True):
            lines.append(
                {
                    "": way,
                    "size": f"{entry['size']:,}",
                    "seconds": f"{entry['seconds']:,.1f}",
                    "per second": f"{entry['size'] / entry['seconds']:,.0f}",
                    "exponent": "–" if growth is None else f"{growth:.2f}",
                    "memory of the command": f"{entry['memory_gb']:.2f} GB",
                    "of a worker": entry["worker_gb"] and f"{entry['worker_gb']:.2f} GB",
                    "on disk": f"{entry['disk_gb']:.2f} GB",
                }
            )
    if not _has_workers(entries):
        for line in lines:
            del line["of a worker"]
    alignment = ("left", *["right"] * (len(lines[0]) - 1))
    return tabulate(lines, headers="keys", tablefmt="pipe", disable_numparse=True, missingval="–", colalign=alignment)


def _has_workers(entries: list[dict[str, Any]]) -> bool:
    return any(entry["worker_gb"] for entry in entries)


def _seconds(entry: dict[str, Any]) -> float:
    return float(entry["seconds"])


def _gb_of_worker(entry: dict[str, Any]) -> float:
    """Of the command where it works alone."""
    return float(entry["worker_gb"] or entry["memory_gb"])


def _picture(entries: list[dict[str, Any]], titles: dict[str, str], theme: Theme) -> Figure:
    figure = Figure(figsize=(8.3, len(titles) * HEIGHT), layout="constrained")
    for row, (kind, title) in zip(figure.subplots(len(titles), 2, squeeze=False), titles.items(), strict=True):
        entries_of_kind = [entry for entry in entries if entry["kind"] == kind]
        of_kind = _ways(entries_of_kind)
        memory = "GB of a worker, or the one process" if _has_workers(entries_of_kind) else "GB of memory, at its peak"
        for axes, value, label in zip(row, (_seconds, _gb_of_worker), ("seconds", memory), strict=True):
            for colour, (way, measured) in zip(COLOURS, of_kind.items(), strict=False):
                sizes = [entry["size"] / 1e6 for entry in measured]
                axes.plot(sizes, list(map(value, measured)), "o-", color=colour, label=way, markersize=4)
            axes.set(xscale="log", xlabel=f"million {title}", ylabel=label)
            measured_sizes = sorted({entry["size"] / 1e6 for ways in of_kind.values() for entry in ways})
            axes.set_xticks(measured_sizes, [f"{size:,.0f}" for size in measured_sizes])
            axes.xaxis.set_minor_formatter(NullFormatter())
            if value is _seconds:
                axes.set_yscale("log")
                seconds = [_seconds(entry) for ways in of_kind.values() for entry in ways]
                axes.set_ylim(10 ** math.floor(math.log10(min(seconds))), 2 * max(seconds))
                axes.yaxis.set_major_formatter(THOUSANDS)
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.legend(frameon=False)
            else:
                axes.set_ylim(0, 1.1 * max(map(_gb_of_worker, entries_of_kind)))
            axes.grid(color=theme.grid)
    return figure


if __name__ == "__main__":
    write_pages()
