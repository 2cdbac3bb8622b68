"""The stage preprocess on logs of `rehearsal-66m`'s kind, in memory and in parts on disk: time, memory of a process.

python tests/benchmarks/preprocess_scale.py FOLDER 20 1       million rows, and into how many parts the log is cut
python tests/benchmarks/preprocess_scale.py FOLDER 400 40     4 GB for the log, 40 GB while it runs

The log comes to FOLDER: 40 rows for each user, 500,000 items, as in params.yaml. The figures go to reports/scale.json.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from time import perf_counter

from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.run import paths
from stages.run.digests import DIGESTS
from tests.benchmarks.growth import record, watched

DATASET = "rehearsal-66m"
ROWS_PER_USER = 40
ROOT = Path(__file__).parents[2]


def main(folder: Path, millions: int, n_parts: int) -> None:
    place = folder / f"{millions}-million-rows"
    place.mkdir(parents=True, exist_ok=True)
    params = YAML().load(ROOT / "params.yaml")
    rows = millions * 1_000_000
    params["datasets"][DATASET]["source"] |= {"rows": rows, "users": rows // ROWS_PER_USER}
    params["scale"]["parts"] = n_parts
    YAML().dump(params, place / "params.yaml")
    if not (place / paths.raw(DATASET, "synthetic-log")).exists():
        _stage("download", place).wait()
    split = place / paths.split(DATASET)
    rmtree(split, ignore_errors=True)
    started = perf_counter()
    process = _stage("preprocess", place)
    with watched(process.pid) as peak:
        failed = process.wait()
    seconds = perf_counter() - started
    if failed:
        sys.exit("error: preprocess failed")
    disk = sum(file.stat().st_size for file in split.iterdir()) / 1e9
    way = "in memory" if n_parts == 1 else "in parts of 10 million rows"
    digest = hashlib.sha256((split / DIGESTS).read_bytes()).hexdigest()
    record("preprocess", way, rows, seconds, peak, disk_gb=round(disk, 3), sha256=digest)


def _stage(name: str, place: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"stages.{name}", "--dataset", DATASET]
    return subprocess.Popen(command, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
