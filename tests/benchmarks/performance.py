"""reports/performance.json: one entry per benchmark, with the machine it ran on; README's table is made from it."""

import json
from datetime import UTC, datetime
from typing import Any

from stages import paths
from stages.records import machine

PATH = paths.REPORTS / "performance.json"


def record(name: str, **entry: Any) -> None:
    """Print an entry and put it in the place of the last one of this name."""
    entry |= {"date": datetime.now(UTC).date().isoformat(), **machine()}
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[name] = entry
    with paths.whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")
    print("\n".join([HEAD, line(entry)]))


HEAD = "| what | ours | theirs | ratio |\n| --- | ---: | ---: | ---: |"


def line(entry: dict[str, Any]) -> str:
    """An entry as README shows it."""
    ours, theirs = (f"{entry[side]:,.1f} {entry['unit']}" for side in ("ours", "theirs"))
    return f"| {entry['what']} | {ours} | {theirs} ({entry['than']}) | **{entry['ratio']:.1f}×** |"
