"""A log of 100 million rows cut by user into ten parts on disk: by us, by polars' streaming engine, by DuckDB.

python -m pip install --target OTHER duckdb     # in no lock, as nothing else needs it
PYTHONPATH=OTHER python tests/benchmarks/partition.py FOLDER

FOLDER has the log of `preprocess_scale.py FOLDER 100 10`. Each side is a process of its own, in turn, after a run of
each that does not count; all write user, item, timestamp and the number of the row. The medians of time, and the most
memory, go to reports/performance.json.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.config.reader import read_params
from tests.benchmarks.performance import record

N_PARTS, RUNS, DATASET = 10, 3, "rehearsal-66m"


class Run(NamedTuple):
    seconds: float
    memory: float
    """GB, at its peak."""
    disk: float
    """GB."""


def main(folder: Path) -> None:
    log = folder / "100-million-rows/data" / DATASET / "raw/synthetic-log"
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    for _ in range(1 + RUNS):
        for side, measured in runs.items():
            measured.append(measure(side, log, folder / "parts"))
    ours, *others = (
        Run(median(run.seconds for run in measured[1:]), max(run.memory for run in measured), measured[0].disk)
        for measured in runs.values()
    )
    for side, theirs in zip(list(SIDES)[1:], others, strict=True):
        record(
            f"partition_vs_{side}",
            what="cutting 100 million rows by user into 10 parts on disk",
            unit="s",
            ours=ours.seconds,
            theirs=theirs.seconds,
            than=side,
            ratio=theirs.seconds / ours.seconds,
            ratio_digits=2,
            target=None,
            met=None,
            peak_memory_gb={"ours": ours.memory, "theirs": theirs.memory},
            disk_gb={"ours": ours.disk, "theirs": theirs.disk},
        )


def measure(side: str, log: Path, out: Path) -> Run:
    rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, side, str(log), str(out)])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"error: {side} failed")
    disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e9
    run = Run(round(time.perf_counter() - start, 1), round(usage.ru_maxrss * 1024 / 1e9, 2), round(disk, 2))
    print(side, run, flush=True)
    return run


def by_ours(log: Path, out: Path) -> None:
    """As `spilled_log` does, with the checks of the pipeline's reader."""
    from stages.interactions.formats import reader_of
    from stages.interactions.protocol.spill import write_parts
    from stages.run.files import files
    from stages.run.memory import share_memory_with_arrow

    share_memory_with_arrow()
    write_parts(files(log), reader_of(read_params().dataset(DATASET).format), None, N_PARTS, out)


def by_polars(log: Path, out: Path) -> None:
    import polars as pl

    rows = pl.scan_parquet(log / "*.parquet", row_index_name="row")
    parted = rows.with_columns(part=(pl.col("user").hash() % N_PARTS).cast(pl.Int16))
    parted.sink_parquet(pl.PartitionBy(out, key="part", include_key=False), mkdir=True, engine="streaming")


def by_duckdb(log: Path, out: Path) -> None:
    import duckdb  # type: ignore[import-not-found]

    connection = duckdb.connect()
    connection.execute("SET memory_limit = '4GB'")
    connection.execute("SET preserve_insertion_order = false")  # the number of the row tells it
    rows = connection.read_parquet(str(log / "*.parquet"), filename=True, file_row_number=True)
    parted = rows.project(f'*, (hash("user") % {N_PARTS})::SMALLINT AS part')
    parted.write_parquet(str(out), partition_by=["part"])


SIDES = {"ours": by_ours, "polars": by_polars, "DuckDB": by_duckdb}

if __name__ == "__main__":
    if sys.argv[1] in SIDES:
        SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1]))
