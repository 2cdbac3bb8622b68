"""Four trainings of DAE 200 on the bundled set side by side, as seeds of a stage, a sweep or a study are, and in turn.

Each with its validations, and with the same weights if it has as many threads. The medians go to
reports/performance.json.

python tests/benchmarks/side_by_side.py
"""

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import stages  # noqa: F401, I001 (before torch: how its threads wait)
import torch

from stages.assembly.sessions import new_training, threads_of
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.models.device import THREADS, side_by_side, use_threads
from stages.run import paths
from stages.run.memory import keep_freed_memory
from tests.benchmarks.performance import record

DATASET, MODEL, SEEDS, ROUNDS = "ml-latest-small", "dae-200", [0, 1, 2, 3], 5
CPU = torch.device("cpu")


def main() -> None:
    for stage in ("download", "preprocess"):
        subprocess.run([sys.executable, "-m", f"stages.{stage}", "--dataset", DATASET], check=True)
    keep_freed_memory()
    params, split = read_params(), load_split(paths.split(DATASET))
    recipe = params.recipe(DATASET, MODEL)
    threads = threads_of(params, DATASET, recipe, split, CPU)

    def trained(seed: int) -> torch.Tensor:
        training = new_training(params, DATASET, recipe, seed, split, CPU)
        list(training.run(iter))
        return training.best_weights["output.weight"]

    def in_turn(threads: int) -> list[torch.Tensor]:
        use_threads(threads)
        return [trained(seed) for seed in SEEDS]

    ways = [lambda: side_by_side(trained, SEEDS, threads), lambda: in_turn(threads), lambda: in_turn(THREADS)]
    runs: list[list[float]] = []
    for _ in range(1 + ROUNDS):
        seconds, weights = [], []
        for way in ways:
            started = perf_counter()
            weights.append(way())
            seconds.append(perf_counter() - started)
        assert all(torch.equal(*of_seed) for of_seed in zip(*weights[:2], strict=True))
        runs.append(seconds)
    users = len(SEEDS) * recipe.epochs * split.train.shape[0]
    for name, other, each, least in [
        ("side_by_side", 1, "one thread each", 1.6),
        ("side_by_side_all_threads", 2, f"{THREADS} threads each", None),
    ]:
        ratios = [run[other] / run[0] for run in runs[1:]]
        ratio = median(ratios)
        record(
            name,
            what=f"four trainings of DAE 200 on the bundled set, {recipe.epochs} epochs with validation, side by side",
            unit="users/s",
            digits=0,
            ours=median(users / run[0] for run in runs[1:]),
            theirs=median(users / run[other] for run in runs[1:]),
            than=f"one after the other, {each}",
            ratio=ratio,
            ratios=ratios,
            ratio_digits=2,
            speedup=True,
            target=least and f"≥ {least}×",
            met=least and ratio >= least,
            runs=[[run[0], run[other]] for run in runs[1:]],
        )


if __name__ == "__main__":
    main()
