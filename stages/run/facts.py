"""Run facts: machine, start, duration and memory of each stage's last run, apart from its results.

They are in reports/<dataset>/run.md: tables for readers, then the facts as JSON, one line per stage. A stage replaces
only its own line, so the facts of stages that ran on another machine stay. The file is in git but is no DVC output,
because it differs between two runs of the same code.
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean, median
from typing import Any

from tabulate import tabulate

from stages.run import paths
from stages.run.files import whole_file
from stages.run.text import code

PACKAGES = ["torch", "numpy", "scipy", "pandas", "pyarrow", "faiss-cpu", "numba", "lmdb"]
Facts = dict[str, dict[str, Any]]
"""Name of a stage → its facts."""


@contextmanager
def recorded(dataset: str, stage: str) -> Iterator[dict[str, object]]:
    """Time a block, and write its facts if it succeeds, with those that the block adds to the yielded dict.

    Parameters
    ----------
    stage : name of the stage with its entry, such as train-dae-200
    """
    extra: dict[str, object] = {}
    started, clock = datetime.now(UTC), time.perf_counter()
    yield extra
    facts = {
        "started": started.strftime("%Y-%m-%dT%H:%M:%S"),  # UTC
        "seconds": round(time.perf_counter() - clock, 1),
        "peak_memory_bytes": _peak_memory(),
        **machine(),
        **extra,
    }
    path = paths.run_facts(dataset)
    # Another stage of the data set may end now too: its line is read once the file is ours.
    with whole_file(path, patience=60) as temporary:
        temporary.write_text(render(read(path) | {stage: facts}), encoding="utf-8")


def machine() -> dict[str, object]:
    """Code revision, processor, and versions of Python and packages."""
    return {
        "revision": _revision(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: installed for name in PACKAGES if (installed := _version(name))},
    }


def read(path: Path) -> Facts:
    """Read the facts from a run.md; empty if the file is missing or, with a warning, has no facts."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    block = re.search(r"^```json\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    try:
        facts: Facts = json.loads(block[1]) if block else {}
        render(facts)
    except (ValueError, TypeError, LookupError, AttributeError):  # of a merge, or edited by hand
        facts = {}
    if not facts:
        print(f"warning: {path} holds no run facts and is written anew", file=sys.stderr)
    return facts


def render(facts: Facts) -> str:
    """The text of run.md."""
    data = ",\n".join(f"{json.dumps(stage)}: {json.dumps(values)}" for stage, values in facts.items())
    trainings, codecs = _trainings(facts), _codecs(facts)
    sections = [
        "# What was run",
        "Each stage as it last ran, by the machine that ran it. These facts differ from run to run, so DVC does not "
        "track this file; the [report](report.md) holds the results.",
        *(f"- {line}" for line in dict.fromkeys(_machine_in_words(values) for values in facts.values())),
        "## Stages",
        _table(_stages(facts)),
        "*Seconds* are without the start of Python. *Peak memory* is of the process, PyTorch and the data included.",
        *(
            [
                "## Trainings",
                _table(trainings),
                "*A training* is the median of the seeds, with a validation after each epoch; *users/s* is the median "
                "epoch, training steps alone.",
            ]
            if trainings
            else []
        ),
        *(
            [
                "## Codecs",
                _table(codecs),
                "*Fit* is for one seed and all variants of a quantizer. *Encode* and *decode* are per vector, of up to "
                "10,000 at once: the fastest of five, the median of the seeds.",
            ]
            if codecs
            else []
        ),
        f"<details><summary>The same as data</summary>\n\n```json\n{{\n{data}\n}}\n```\n\n</details>",
    ]
    return "\n\n".join(sections).replace("\n\n- ", "\n- ") + "\n"


def _stages(facts: Facts) -> list[dict[str, str]]:
    return [
        {
            "stage": code(stage),
            "started (UTC)": values["started"],
            "seconds": f"{values['seconds']:,.1f}",
            "peak memory": _gigabytes(values["peak_memory_bytes"]),
            "on the GPU": _gigabytes(values["gpu_peak_memory_bytes"]) if "gpu_peak_memory_bytes" in values else "–",
            "device": values.get("device", "–"),
            "threads": str(values.get("threads", "–")),
            "revision": values["revision"],
        }
        for stage, values in facts.items()
    ]


def _trainings(facts: Facts) -> list[dict[str, str]]:
    lines = []
    for values in facts.values():
        for name, trainings in values.get("trainings", {}).items():
            resumed = any("resumed_after_epoch" in training for training in trainings)
            lines.append(
                {
                    "model": code(name),
                    "a training": f"{median(training['seconds'] for training in trainings):,.1f} s"
                    + (", one resumed" if resumed else ""),
                    "users/s": f"{median(training['users_per_second'] for training in trainings):,.0f}",
                    "precision": values["precision"],
                }
            )
    return lines


def _codecs(facts: Facts) -> list[dict[str, str]]:
    fits = {
        f"{stage.removeprefix('quantize-')}-{name}": fmean(seconds)
        for stage, values in facts.items()
        for name, seconds in values.get("fit_seconds", {}).items()
        if not stage.startswith("quantize-items-")
    }
    lines = []
    for values in facts.values():
        for row, microseconds in values.get("microseconds", {}).items():
            fit = max((base for base in fits if row == base or row.startswith(f"{base}-")), key=len, default=None)
            lines.append(
                {
                    "row": code(row),
                    "fit": "–" if fit is None else f"{fits[fit]:,.2f} s",
                    "encode": f"{microseconds['encode']:,.2f} µs",
                    "decode": f"{microseconds['decode']:,.2f} µs",
                }
            )
    return lines


def _machine_in_words(values: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {installed}" for name, installed in values["packages"].items())
    return f"{values['cpu']}, {values['cores']} cores; Python {values['python']}, {packages}"


def _table(lines: list[dict[str, str]]) -> str:
    columns = len(lines[0])
    return tabulate(
        lines, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=["left"] + ["right"] * (columns - 1)
    )


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:.2f} GB"


def _peak_memory() -> int:
    """Peak memory of this process since its start, in bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # Linux counts in KiB


def _revision() -> str:
    """The commit, marked if stages/, params.yaml or dvc.yaml differ from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
    return f"{commit} with uncommitted changes" if changed else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, encoding="utf-8").stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
