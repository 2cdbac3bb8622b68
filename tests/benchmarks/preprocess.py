"""The stage preprocess against plain polars and plain pandas, on the full-size twin of MovieLens-20M.

As whole processes, from the archive to the split on disk, in turn, after a run of each that does not count; and
all have to give the same split. Beside them, what it takes to unzip the ratings and to parse them, and no more. The
medians go to reports/performance.json.

python tests/benchmarks/preprocess.py
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.config.dataset import MovieLensFormat
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.run import paths
from tests.benchmarks.performance import record

DATASET = "ml-20m-rehearsal"
RUNS = 5
TARGETS = {"polars": 1.3, "pandas": 5.0}
"""The other side → how many times faster ours should be."""
READ = """
from pathlib import Path
from stages.config.reader import read_params
from stages.interactions.formats import reader_of
from stages.interactions.formats.packed import pieces_of
from stages.run import paths
settings = read_params().dataset({dataset!r})
archive = paths.raw({dataset!r}, settings.source.name)
for _ in {what}:
    pass
"""
ONLY_READ = {
    "unzip": ("unzipping the ratings", "pieces_of(archive, settings.format.member)"),
    "parse": ("unzipping and parsing the ratings", "reader_of(settings.format).read(archive)"),
}


def main() -> None:
    settings = read_params().dataset(DATASET)
    archive = paths.raw(DATASET, settings.source.name)
    assert isinstance(settings.format, MovieLensFormat)
    if not archive.exists():
        subprocess.run([sys.executable, "-m", "stages.download", "--dataset", DATASET], check=True)
    ours = [sys.executable, "-m", "stages.preprocess", "--dataset", DATASET]
    for than, least in TARGETS.items():
        with TemporaryDirectory() as out:
            theirs = [
                sys.executable, f"tests/benchmarks/{than}_protocol.py", str(archive), settings.format.member,
                str(settings.split.held_out_users), out,
            ]  # fmt: skip
            runs = [(measure(ours), measure(theirs)) for _ in range(1 + RUNS)][1:]
            check_same_split(Path(out))
        our_seconds, their_seconds = ([pair[side][0] for pair in runs] for side in (0, 1))
        ratios = [other / mine for mine, other in zip(our_seconds, their_seconds, strict=True)]
        ratio = statistics.median(ratios)
        record(
            f"preprocess_vs_{than}",
            what="`preprocess`, 20 million ratings, from the archive to the split on disk",
            unit="s",
            ours=statistics.median(our_seconds),
            theirs=statistics.median(their_seconds),
            ratio=ratio,
            ratios=ratios,
            speedup=True,
            than=f"plain {than}",
            target=f"≥ {least:g}×",
            met=ratio >= least,
            runs={"ours": our_seconds, "theirs": their_seconds},
            peak_memory_gb={"ours": max(run[0][1] for run in runs), "theirs": max(run[1][1] for run in runs)},
        )
    for name, (what, read) in ONLY_READ.items():
        command = [sys.executable, "-c", READ.format(dataset=DATASET, what=read)]
        seconds = [measure(command)[0] for _ in range(1 + RUNS)][1:]
        record(
            f"preprocess_{name}",
            what=f"of `preprocess`, with the start of Python: {what}",
            unit="s",
            ours=statistics.median(seconds),
            theirs=None,
            ratio=None,
            than=None,
            target=None,
            met=None,
            runs=seconds,
        )


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in GB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {' '.join(command)} failed")
    return round(time.perf_counter() - start, 2), round(usage.ru_maxrss * 1024 / 1e9, 2)


def check_same_split(theirs: Path) -> None:
    """Stop where the two sides do not give the same numbers for the same pairs."""
    split = load_split(paths.split(DATASET))
    n_train, n_held_out = split.train.shape[0], split.test.fold_in.shape[0]
    assert split.items.tolist() == [int(line) for line in (theirs / "unique_sid.txt").read_text().splitlines()]
    for name, matrix, first in [
        ("train", split.train, 0),
        ("validation_tr", split.validation.fold_in, n_train),
        ("validation_te", split.validation.held_out, n_train),
        ("test_tr", split.test.fold_in, n_train + n_held_out),
        ("test_te", split.test.held_out, n_train + n_held_out),
    ]:
        pairs = pd.read_csv(theirs / f"{name}.csv").sort_values(["uid", "sid"])
        rows, columns = matrix.nonzero()
        np.testing.assert_array_equal(pairs["uid"], rows + first)
        np.testing.assert_array_equal(pairs["sid"], columns)


if __name__ == "__main__":
    main()
