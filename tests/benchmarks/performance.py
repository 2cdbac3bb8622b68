"""reports/performance.json: one entry per benchmark and processor; reports/performance.md and README.md show them.

python tests/benchmarks/performance.py    makes the tables again
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from stages.run import paths
from stages.run.facts import machine
from stages.run.files import whole_file
from tests.marks import between

PATH = paths.REPORTS / "performance.json"
COLUMNS = ["what", "measured", "compared with", "ratio", "target", "on"]
HEAD = f"| {' | '.join(COLUMNS)} |\n| --- | ---: | ---: | ---: | ---: | --- |"
SUBJECTS = {
    "Time to a result": ("time_to", "accuracy"),
    "Training": ("train", "memory", "loss", "fifty", "side_by_side", "gpu", "two_processes"),
    "Evaluating and embedding": ("evaluate", "embed"),
    "Preprocess": ("preprocess", "partition"),
    "Encoding users": ("encode",),
    "Scoring from codes": ("query", "batch", "million"),
    "The store": ("store",),
    "Many items": ("sampled",),
    "The machine": ("products",),
}
"""How the names of a subject's entries begin, in their order."""
HEADLINES = [
    "time_to_ndcg",
    "train_dae_200_bfloat16",
    "train_dae_200_bfloat16_autocast",
    "train_dae_200_float32",
    "train_vae_bfloat16",
    "gpu_train_vae",
    "evaluate",
    "evaluate_avx2",
    "preprocess_vs_pandas",
    "preprocess_vs_polars",
    "side_by_side",
    "query_20_bytes_20517",
    "encode_rq_20_tables",
    "store_per_second_sqlite",
]
"""What the README shows."""


def record(name: str, **entry: Any) -> None:
    """Print an entry, put it in the place of the last one of this name and processor, and make the tables again.

    Parameters
    ----------
    entry : what, ours, theirs (None where there is nothing to compare with), than (what theirs is), unit, ratio, target
        and met (None where there is no target), and whatever else belongs to the figures; ratios, those of the pairs
        whose median is the ratio; speedup, where the ratio says how many times faster ours is; digits and ratio_digits,
        how many decimals are shown, 1 unless told
    """
    measured_on = {"date": datetime.now(UTC).date().isoformat(), "threads": torch.get_num_threads(), **machine()}
    entry = {"name": name, **entry, **measured_on, "amx": _has_amx()}
    entries = json.loads(PATH.read_text()) if PATH.exists() else {}
    entries[f"{name}, {processor(entry)}"] = entry
    with whole_file(PATH) as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n")
    write_tables()
    print(line(entry), flush=True)


def named(parts: dict[str, Callable[[], None]], otherwise: list[str]) -> list[Callable[[], None]]:
    """The parts that the command line names, or others where it names none."""
    names = sys.argv[1:] or otherwise
    if unknown := [name for name in names if name not in parts]:
        sys.exit(f"error: there is no part {unknown[0]}; there are {', '.join(parts)}")
    return [parts[name] for name in names]


def runs_of(name: str) -> Any:
    """The runs of the entry of this name and of this machine's processor."""
    entries = json.loads(PATH.read_text())
    here = processor({"cpu": machine()["cpu"], "amx": _has_amx()})
    if (key := f"{name}, {here}") not in entries:
        sys.exit(f"error: {PATH} has no line {name} of {here}; measure it first")
    return entries[key]["runs"]


def _has_amx() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def processor(entry: dict[str, Any]) -> str:
    """Of an entry, in short."""
    if "gpu" in entry:
        return str(entry["gpu"])
    maker = next((maker for maker in ("Xeon", "EPYC") if maker in entry["cpu"]), entry["cpu"])
    return f"{maker} {'with' if entry['amx'] else 'without'} AMX"


def of_readme() -> str:
    """The headlines in one table, by subject, the newest of each first."""
    return _table(
        [entry for of_subject in _by_subject().values() for entry in of_subject if entry["name"] in HEADLINES]
    )


def of_performance() -> str:
    """A table for each subject, the newest entries first."""
    return "\n".join(f"### {subject}\n\n{_table(entries)}" for subject, entries in _by_subject().items() if entries)


PAGES = {"reports/performance.md": of_performance, "README.md": of_readme}
BEGIN, END = "<!-- measured: python tests/benchmarks/performance.py -->\n", "<!-- end of measured -->"


def _by_subject() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {subject: [] for subject in SUBJECTS}
    order = [(subject, begin) for subject, begins in SUBJECTS.items() for begin in begins]
    entries = sorted(json.loads(PATH.read_text()).values(), key=lambda entry: str(entry["name"]))
    for subject, begin in order:
        found[subject] += [entry for entry in entries if entry["name"].startswith(begin)]
    if sum(map(len, found.values())) != len(entries):
        sys.exit(f"error: an entry of {PATH} is of no subject, or of two; mend SUBJECTS")
    for of_subject in found.values():
        of_subject.sort(key=lambda entry: str(entry["date"]), reverse=True)
    return found


def _table(entries: list[dict[str, Any]]) -> str:
    return "\n".join([HEAD, *map(line, entries)]) + "\n"


def write_tables() -> None:
    """Put the tables between the pages' marks."""
    for page, tables in PAGES.items():
        path = paths.REPORTS.parent / page
        text = between(path.read_text(), BEGIN, END, tables())
        with whole_file(path) as temporary:
            temporary.write_text(text)


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
        if "ratios" in entry:
            least, most = (f"{of_pair:.{ratio_digits}f}" for of_pair in (min(entry["ratios"]), max(entry["ratios"])))
            ratio += f" ({least}–{most})"
    target = "–" if entry["target"] is None else entry["target"] if entry["met"] else f"{entry['target']}: missed"
    return f"| {entry['what']} | {ours} | {theirs} | {ratio} | {target} | {processor(entry)}, {entry['date']} |"


if __name__ == "__main__":
    write_tables()
