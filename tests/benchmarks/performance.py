"""reports/performance.json: one entry per benchmark and processor; reports/performance.md and README.md show them.

python tests/benchmarks/performance.py    makes the tables again
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
PAGES = {"reports/performance.md": "all", "README.md": "headlines"}
COLUMNS = ["what", "ours", "theirs", "ratio", "target", "on"]
HEAD = f"| {' | '.join(COLUMNS)} |\n| --- | ---: | ---: | ---: | ---: | --- |"
FIRST = "time_to_ndcg"
HEADLINES = [
    FIRST,
    "train_dae_200_bfloat16",
    "train_vae_bfloat16",
    "gpu_train_vae",
    "evaluate",
    "evaluate_avx2",
    "preprocess_vs_pandas",
    "preprocess_vs_polars",
    "side_by_side",
    "query_20_bytes_20517",
    "encode_rq_20",
    "store_per_second_sqlite",
]
"""What the README shows."""


def record(name: str, **entry: Any) -> None:
    """Print an entry, put it in the place of the last one of this name and processor, and make the tables again.

    Parameters
    ----------
    entry : what, ours, theirs (None where there is nothing to compare with), than (what theirs is), unit, ratio, target
        and met (None where there is no target), and whatever else belongs to the figures; speedup, where the ratio says
        how many times faster ours is; digits and ratio_digits, how many decimals are shown, 1 unless told
    """
    measured_on = {"date": datetime.now(UTC).date().isoformat(), "threads": torch.get_num_threads(), **machine()}
    entry = {"name": name, **entry, **measured_on, "amx": bool(torch.cpu.get_capabilities().get("amx_bf16"))}
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[f"{name}, {processor(entry)}"] = entry
    with whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    write_tables()
    print(line(entry), flush=True)


def processor(entry: dict[str, Any]) -> str:
    """Of an entry, in short."""
    if "gpu" in entry:
        return str(entry["gpu"])
    maker = next((maker for maker in ("Xeon", "EPYC") if maker in entry["cpu"]), entry["cpu"])
    return f"{maker} {'with' if entry['amx'] else 'without'} AMX"


def table(which: str) -> str:
    """All entries, or the headlines, the newest first and the time to a result before all."""
    entries = json.loads(PATH.read_text()).values()
    shown = [entry for entry in entries if which == "all" or entry["name"] in HEADLINES]
    shown.sort(key=lambda entry: entry["date"], reverse=True)
    shown.sort(key=lambda entry: entry["name"] != FIRST)
    return "\n".join([HEAD, *map(line, shown)]) + "\n"


def write_tables() -> None:
    """Put the tables in the place of the pages' own."""
    for page, which in PAGES.items():
        path = paths.REPORTS.parent / page
        before, _, rest = path.read_text().partition(HEAD)
        _, _, after = rest.partition("\n\n")
        with whole_file(path) as temporary:
            temporary.write_text(before + table(which) + "\n" + after)


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
    return f"| {entry['what']} | {ours} | {theirs} | {ratio} | {target} | {processor(entry)} |"


if __name__ == "__main__":
    write_tables()
