"""What a stage ran on: code revision, versions, hardware, time and memory, kept beside its results."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stages.run import paths

PACKAGES = ["torch", "numpy", "scipy", "pandas", "pyarrow", "faiss-cpu"]


@contextmanager
def recorded(path: Path) -> Iterator[dict[str, object]]:
    """Time a block and write its record when it succeeds; what the block adds to the yielded dict is kept too."""
    extra: dict[str, object] = {}
    started, clock = datetime.now(UTC), time.perf_counter()
    yield extra
    record = {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
        "peak_memory_bytes": _peak_memory(),
        **machine(),
        **extra,
    }
    with paths.whole_file(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")


def machine() -> dict[str, object]:
    """Code revision, hardware and versions."""
    return {
        "revision": _revision(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _peak_memory() -> int:
    """Of this process since its start."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # Linux counts in KiB


def _revision() -> str:
    """The commit, with a mark where what decides a result differs from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "stages", "params.yaml", "dvc.yaml")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"
    return f"{commit} with uncommitted changes" if changed else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
