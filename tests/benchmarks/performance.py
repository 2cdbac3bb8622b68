"""reports/performance.json: one entry per benchmark, with its machine; reports/performance.md shows them in a table.

python tests/benchmarks/performance.py    makes the table again
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from stages.run import paths
from stages.run.facts import machine
from stages.run.files import whole_file

PATH = paths.REPORTS / "performance.json"
PAGE = paths.REPORTS / "performance.md"
HEAD = "| what | ours | theirs | ratio | target |\n| --- | ---: | ---: | ---: | ---: |"


def record(name: str, **entry: Any) -> None:
    """Print an entry, put it in the place of the last one of this name, and make the page's table again.

    Parameters
    ----------
    entry : what, ours, theirs (None where there is nothing to compare with), than (what theirs is), unit, ratio, target
        and met (None where there is no target), and whatever else belongs to the figures; speedup, where the ratio says
        how many times faster ours is; digits and ratio_digits, how many decimals are shown, 1 unless told
    """
    entry |= {"date": datetime.now(UTC).date().isoformat(), "threads": torch.get_num_threads(), **machine()}
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[name] = entry
    with whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    write_table()
    print(line(entry), flush=True)


def table() -> str:
    """All entries, in the order in which they first came."""
    return "\n".join([HEAD, *map(line, json.loads(PATH.read_text()).values())]) + "\n"


def write_table() -> None:
    """Put the table in the place of the page's."""
    text = PAGE.read_text()
    before, _, rest = text.partition(HEAD)
    _, _, after = rest.partition("\n\n")
    with whole_file(PAGE) as temporary:
        temporary.write_text(before + table() + "\n" + after)


def line(entry: dict[str, Any]) -> str:
    """An entry as the page shows it."""
    digits, ratio_digits = entry.get("digits", 1), entry.get("ratio_digits", 1)
    ours = f"{entry['ours']:,.{digits}f} {entry['unit']}".strip()
    theirs, ratio = "–", "–"
    if entry["theirs"] is not None:
        theirs = f"{entry['theirs']:,.{digits}f} {entry['unit']}".strip() + f" ({entry['than']})"
        ratio = f"{entry['ratio']:.{ratio_digits}f}×"
        if entry.get("speedup"):
            ratio = f"**{ratio} faster**"
    target = "–" if entry["target"] is None else entry["target"] if entry["met"] else f"{entry['target']}: missed"
    return f"| {entry['what']} | {ours} | {theirs} | {ratio} | {target} |"


if __name__ == "__main__":
    write_table()
