"""reports/scale.json: time and memory against size; reports/scale.md shows them in tables, reports/scale.png as lines.

python tests/benchmarks/growth.py    makes the tables and the picture again
"""

import json
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
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

PATH, PAGE = paths.REPORTS / "scale.json", paths.REPORTS / "scale.md"
SECONDS_BETWEEN_LOOKS = 0.1
TITLES = {"encode": "users encoded", "preprocess": "rows preprocessed"}
HEIGHT = 3.2  # inches of the picture


def record(kind: str, way: str, size: int, seconds: float, memory: float, **more: Any) -> None:
    """Put a measurement in the place of the last one of this kind, way and size, and make the page again.

    Parameters
    ----------
    kind : encode or preprocess
    way : how it was done, such as "Ray, 2 workers"
    size : users or rows
    memory : GB, as of `Peak`
    more : other figures, or digests, that belong to it
    """
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[f"{kind}, {way}, {size}"] = {
        "kind": kind,
        "way": way,
        "size": size,
        "seconds": round(seconds, 1),
        "memory_gb": round(memory, 2),
        **more,
        "date": datetime.now(UTC).date().isoformat(),
        **machine(),
    }
    with whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    write_page()
    print(json.dumps(entries[f"{kind}, {way}, {size}"]), flush=True)


class Peak:
    """The most memory of its own that one process had, of one and all that it started, in GB.

    What is mapped from a file, and may go whenever memory is short, is not in it.
    """

    gb = 0.0

    def look(self, process: psutil.Process) -> None:
        """Take down what each has now."""
        for one in [process, *process.children(recursive=True)]:
            try:
                status = Path(f"/proc/{one.pid}/status").read_text()
            except OSError:  # it has ended
                continue
            own = [int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")]
            self.gb = max([self.gb, *(kilobytes * 1024 / 1e9 for kilobytes in own)])


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


def write_page() -> None:
    """The tables between the page's marks, and the picture."""
    entries = list(json.loads(PATH.read_text()).values())
    text = PAGE.read_text()
    for kind in TITLES:
        begin, end = f"<!-- {kind}: python tests/benchmarks/growth.py -->", f"<!-- end of {kind} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{_table([entry for entry in entries if entry['kind'] == kind])}\n\n{end}{after}"
    with whole_file(PAGE) as temporary:
        temporary.write_text(text)
    write_picture("scale", lambda theme: _picture(entries, theme), paths.REPORTS)


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
                    "memory of a process": f"{entry['memory_gb']:.2f} GB",
                    "written": f"{entry['disk_gb']:.2f} GB",
                }
            )
    return tabulate(lines, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=("left", *["right"] * 6))


def _picture(entries: list[dict[str, Any]], theme: Theme) -> Figure:
    figure = Figure(figsize=(8.3, 2 * HEIGHT), layout="constrained")
    for row, (kind, title) in zip(figure.subplots(2, 2), TITLES.items(), strict=True):
        of_kind = _ways([entry for entry in entries if entry["kind"] == kind])
        for axes, value, label in zip(row, ("seconds", "memory_gb"), ("seconds", "GB of a process"), strict=True):
            for colour, (way, measured) in zip(COLOURS, of_kind.items(), strict=False):
                sizes = [entry["size"] / 1e6 for entry in measured]
                axes.plot(sizes, [entry[value] for entry in measured], "o-", color=colour, label=way, markersize=4)
            axes.set(xscale="log", xlabel=f"million {title}", ylabel=label)
            measured_sizes = sorted({entry["size"] / 1e6 for ways in of_kind.values() for entry in ways})
            axes.set_xticks(measured_sizes, [f"{size:,.0f}" for size in measured_sizes])
            axes.xaxis.set_minor_formatter(NullFormatter())
            if value == "seconds":
                axes.set_yscale("log")
                axes.set_ylim(10, 1000)
                axes.yaxis.set_major_formatter(THOUSANDS)
                axes.yaxis.set_minor_formatter(NullFormatter())
                axes.legend(frameon=False)
            else:
                axes.set_ylim(0)
            axes.grid(color=theme.grid)
    return figure


if __name__ == "__main__":
    write_page()
