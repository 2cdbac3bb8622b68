"""Two processes of one thread that train DAE 200 together, against one process of two threads.

On the full-size twin of MovieLens-20M, three epochs each with validation, in turn, after a run of each that does not
count. The medians go to reports/performance.json.

python tests/benchmarks/processes.py
"""

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory

import pandas as pd
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.run import facts, paths
from tests.benchmarks.performance import record

DATASET, MODEL, EPOCHS, RUNS = "ml-20m-rehearsal", "dae-200", 3, 3
ROOT = Path(__file__).parents[2]


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        stage("download", folder, 1)
        stage("preprocess", folder, 1)
        runs = [(trained(folder, 1), trained(folder, 2)) for _ in range(1 + RUNS)][1:]
    (one, losses_of_one), (two, losses_of_two) = (
        (median(run[side][0] for run in runs), runs[0][side][1]) for side in (0, 1)
    )
    difference = max(abs(mine / other - 1) for mine, other in zip(losses_of_two, losses_of_one, strict=True))
    ratios = [run[1][0] / run[0][0] for run in runs]
    record(
        "two_processes",
        what="training DAE 200, float32, batch 500: two processes of one thread",
        unit="users/s",
        digits=0,
        ours=two,
        theirs=one,
        than="one process of two threads",
        ratio=median(ratios),
        ratios=ratios,
        ratio_digits=2,
        target="≥ 0.83×, losses equal to 1e-4",
        met=median(ratios) >= 1 / 1.2 and difference <= 1e-4,
        losses={"ours": losses_of_two, "theirs": losses_of_one},
        largest_relative_difference=difference,
        runs=[[run[0][0], run[1][0]] for run in runs],
    )


def trained(folder: Path, n_processes: int) -> tuple[float, list[float]]:
    """Users/s of the median epoch, and the losses of all."""
    for written in (
        paths.model(DATASET, MODEL, 0).parent,
        paths.curves(DATASET, MODEL),
        Path("data") / DATASET / "checkpoints",
    ):
        rmtree(folder / written, ignore_errors=True)
    stage("train", folder, n_processes, "--model", MODEL)
    (training,) = facts.read(folder / paths.run_facts(DATASET))[f"train-{MODEL}"]["trainings"][MODEL]
    (curve,) = (folder / paths.curves(DATASET, MODEL)).glob("*.csv")
    return training["users_per_second"], pd.read_csv(curve)["loss"].tolist()


def stage(name: str, folder: Path, n_processes: int, *options: str) -> None:
    params = YAML().load(ROOT / "params.yaml")
    params["training"]["processes"] = n_processes
    params["datasets"][DATASET]["training"]["epochs"] = EPOCHS
    params["datasets"][DATASET]["models"] = {MODEL: {}}
    params["seeds"] = [0]
    YAML().dump(params, folder / "params.yaml")
    command = [sys.executable, "-m", f"stages.{name}", "--dataset", DATASET, *options]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


if __name__ == "__main__":
    main()
