"""Training, embedding and evaluation against textbook PyTorch and NumPy, on the full-size twin of MovieLens-20M.

Each side is a process of its own (side.py; textbook.py is the other side), both in turn, `ROUNDS` times. Medians, and
the medians of the ratios of the pairs, go to reports/performance.json. All takes about 45 minutes on 2 cores.

python tests/benchmarks/training.py                  all lines but those of the GPU
python tests/benchmarks/training.py steps scoring    only these
python tests/benchmarks/training.py gpu              on a GPU
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.run import paths
from tests.benchmarks.performance import HEAD, record
from tests.benchmarks.preprocess import measure

DATASET = "ml-20m-rehearsal"
ROUNDS = 5
DAE, FLOAT, PQ, VAE = "dae-200", "dae-200-200-200", "pq-vae-200-200-40x5", "vae-600-200-600"
TABLE_1 = [VAE, DAE, FLOAT, PQ, "pq-vae-200-200-20x10"]
TEXTBOOK = "textbook PyTorch, float32, batch 500"


def side(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "tests/benchmarks/side.py", *map(str, arguments)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def in_turn(*sides: tuple[object, ...]) -> list[list[dict[str, Any]]]:
    """What each side measured in each round."""
    rounds = [[side("steps", *arguments) for arguments in sides] for _ in range(ROUNDS)]
    return [list(runs) for runs in zip(*rounds, strict=True)]


def compare(
    name: str, ours: list[float], theirs: list[float], *, faster_is_more: bool, at_least: float | None, **entry: Any
) -> None:
    """Record medians and the median of the ratios pair by pair; a ratio above 1 is in our favour."""
    pairs = list(zip(ours, theirs, strict=True))
    ratio = statistics.median(mine / other if faster_is_more else other / mine for mine, other in pairs)
    record(
        name,
        ours=statistics.median(ours),
        theirs=statistics.median(theirs),
        ratio=ratio,
        target=None if at_least is None else f"≥ {at_least:g}×",
        met=None if at_least is None else ratio >= at_least,
        runs={"ours": ours, "theirs": theirs},
        speedup=True,
        **entry,
    )


def steps() -> None:
    """Training steps."""
    batches = (500, 1000, 2000)
    book, narrow, *wide = in_turn(
        ("theirs", DAE, "float32", 500, "cpu"),
        ("ours", DAE, "float32", 500, "cpu"),
        *(("ours", DAE, "bfloat16", batch, "cpu") for batch in batches),
    )
    speed = "users_per_second"
    best, runs = max(zip(batches, wide, strict=True), key=lambda pair: statistics.median(run[speed] for run in pair[1]))
    shared: dict[str, Any] = {"unit": "users/s", "digits": 0, "than": TEXTBOOK, "faster_is_more": True}
    theirs = [run[speed] for run in book]
    what = "training DAE 200"
    compare(
        "train_dae_200_bfloat16",
        [run[speed] for run in runs],
        theirs,
        what=f"{what}, bfloat16, batch {best:,}",
        at_least=6,
        by_batch={
            str(batch): statistics.median(run[speed] for run in side) for batch, side in zip(batches, wide, strict=True)
        },
        **shared,
    )
    compare(
        "train_dae_200_bfloat16_500",
        [run[speed] for run in wide[0]],
        theirs,
        what=f"{what}, bfloat16, batch 500",
        at_least=None,
        **shared,
    )
    compare(
        "train_dae_200_float32",
        [run[speed] for run in narrow],
        theirs,
        what=f"{what}, float32, batch 500",
        at_least=2.5,
        **shared,
    )
    memory, their_memory = (max(run["memory_gb"] for run in runs) for runs in (narrow, book))
    record(
        "memory_dae_200",
        what=f"{what}, float32, batch 500: peak memory beyond the data",
        unit="GB",
        digits=2,
        ours=memory,
        theirs=their_memory,
        ratio=memory / their_memory,
        ratio_digits=2,
        than=TEXTBOOK,
        target="≤ 1.5 GB",
        met=memory <= 1.5,
    )
    book, *ours = in_turn(
        ("theirs", VAE, "float32", 500, "cpu"),
        ("ours", VAE, "bfloat16", 500, "cpu"),
        ("ours", VAE, "float32", 500, "cpu"),
    )
    for precision, least, runs in zip(("bfloat16", "float32"), (4, None), ours, strict=True):
        compare(
            f"train_vae_{precision}",
            [run[speed] for run in runs],
            [run[speed] for run in book],
            what=f"training VAE 600-200-600, {precision}, batch 500",
            at_least=least,
            **shared,
        )


def quantized() -> None:
    """PQ-VAE against its float twin: ours both."""
    for precision in ("float32", "bfloat16"):
        twin, ours = in_turn(("ours", FLOAT, precision, 500, "cpu"), ("ours", PQ, precision, 500, "cpu"))
        seconds, float_seconds = ([run["epoch_seconds"] for run in runs] for runs in (ours, twin))
        ratio = statistics.median(mine / other for mine, other in zip(seconds, float_seconds, strict=True))
        record(
            f"train_pq_vae_{precision}",
            what=f"an epoch of PQ-VAE 200-200-40x5, {precision}, batch 500",
            unit="s",
            ours=statistics.median(seconds),
            theirs=statistics.median(float_seconds),
            ratio=ratio,
            ratio_digits=2,
            than="our float DAE 200-200-200",
            target="≤ 1.35×",
            met=ratio <= 1.35,
            runs={"ours": seconds, "theirs": float_seconds},
        )


def scoring() -> None:
    """Embedding all users, and evaluating 10,000."""
    with TemporaryDirectory() as folder:
        runs = [[side("scoring", who, folder) for who in ("ours", "theirs")] for _ in range(ROUNDS)]
        with np.load(Path(folder, "ours.npz")) as mine, np.load(Path(folder, "theirs.npz")) as other:
            embedding_difference = float(np.abs(mine["vectors"] - other["vectors"]).max())
            metric_difference = max(abs(float(mine[name].mean() - other[name].mean())) for name in other)
    assert metric_difference <= 1e-6
    compare(
        "evaluate",
        *([run[number]["score_seconds"] for run in runs] for number in (0, 1)),
        faster_is_more=False,
        at_least=5,
        what="evaluating 10,000 users: embed, score 20,517 items, mask, top-100, five metrics",
        than="the notebook's NumPy, three metrics, the same to 1e-6",
        unit="s",
        digits=2,
        metric_difference=metric_difference,
    )
    compare(
        "embed",
        *([run[number]["train_users"] / run[number]["embed_seconds"] for run in runs] for number in (0, 1)),
        faster_is_more=True,
        at_least=None,
        what="embedding all train users with DAE 200",
        than="textbook PyTorch",
        unit="users/s",
        digits=0,
        embedding_difference=embedding_difference,
    )


def loss() -> None:
    """The same training in the textbook's way gives the same loss."""
    found = side("loss", 3)
    ours, theirs = found["ours"][-1], found["theirs"][-1]
    difference = abs(ours / theirs - 1)
    record(
        "loss_after_3_epochs",
        what="loss in epoch 3 of DAE 200, float32, same seed and batches",
        unit="",
        digits=4,
        ours=ours,
        theirs=theirs,
        ratio=ours / theirs,
        ratio_digits=6,
        than=TEXTBOOK,
        target="equal to 1e-4",
        met=difference <= 1e-4,
        runs=found,
    )


def accuracy() -> None:
    """What bfloat16 and large batches cost: validation NDCG@100 after equal epochs."""
    epochs = 10
    base = side("whole", DAE, "float32", 500, epochs, 1e-3, "cpu")
    for name, precision, batch, rate in [
        ("bfloat16", "bfloat16", 500, 1e-3),
        ("batch_2000", "float32", 2000, 1e-3),
        ("bfloat16_batch_2000", "bfloat16", 2000, 1e-3),
        ("bfloat16_batch_2000_rate", "bfloat16", 2000, 2e-3),
    ]:
        run = side("whole", DAE, precision, batch, epochs, rate, "cpu")
        record(
            f"accuracy_{name}",
            unit="",
            digits=4,
            ratio_digits=3,
            target=None,
            met=None,
            what=f"NDCG@100 after {epochs} epochs of DAE 200, {precision}, batch {batch:,}, rate {rate:g}",
            ours=run["ndcg"][-1],
            theirs=base["ndcg"][-1],
            ratio=run["ndcg"][-1] / base["ndcg"][-1],
            than="float32, batch 500, rate 0.001",
            runs={"ours": run, "theirs": base},
        )


def stage() -> None:
    """The stage train as a whole process, against a script that trains as long in the textbook's way."""
    ours = [sys.executable, "-m", "stages.train", "--dataset", DATASET, "--model", DAE]
    theirs = [sys.executable, "tests/benchmarks/textbook.py", str(paths.split(DATASET)), "2"]
    runs = [(measure(ours), measure(theirs)) for _ in range(3)]
    compare(
        "train_stage",
        *([pair[number][0] for pair in runs] for number in (0, 1)),
        faster_is_more=False,
        at_least=None,
        unit="s",
        what="`train` of DAE 200 for 2 epochs as in params.yaml, with validation",
        than=f"a script of {TEXTBOOK}",
        peak_memory_gb=[max(pair[number][1] for pair in runs) for number in (0, 1)],
    )


def fifty() -> None:
    """DAE 200 for 50 epochs, once."""
    run = side("whole", DAE, "float32", 500, 50, 1e-3, "cpu")
    minutes = run["seconds"] / 60
    record(
        "fifty_epochs",
        what="50 epochs of DAE 200, float32, batch 500, with validation after each",
        unit="min",
        ours=minutes,
        theirs=None,
        ratio=None,
        than=None,
        target="< 15 min",
        met=minutes < 15,
        runs=run,
    )


def gpu() -> None:
    """VAE 600-200-600 in bfloat16, and all trainings of Table 1 for 50 epochs."""
    batches = (500, 2000, 8000)
    book, *ours = in_turn(
        ("theirs", VAE, "float32", 500, "cuda"), *(("ours", VAE, "bfloat16", batch, "cuda") for batch in batches)
    )
    speeds = [statistics.median(run["users_per_second"] for run in runs) for runs in ours]
    speed, best = max(zip(speeds, batches, strict=True))
    theirs = statistics.median(run["users_per_second"] for run in book)
    hardware = {"gpu": torch.cuda.get_device_name(), "by_batch": dict(zip(map(str, batches), speeds, strict=True))}
    record(
        "gpu_train_vae",
        what=f"{hardware['gpu']}: training VAE 600-200-600, bfloat16, batch {best:,}",
        unit="users/s",
        digits=0,
        ours=speed,
        theirs=theirs,
        ratio=speed / theirs,
        speedup=True,
        than=TEXTBOOK,
        target="≥ 1,000,000 users/s",
        met=speed >= 1e6,
        **hardware,
    )
    runs = {model: side("whole", model, "bfloat16", 2000, 50, 2e-3, "cuda") for model in TABLE_1}
    minutes = sum(run["seconds"] for run in runs.values()) / 60
    record(
        "gpu_table_1",
        what=f"{hardware['gpu']}: the five trainings of Table 1, bfloat16, batch 2,000, 50 epochs each",
        unit="min",
        ours=minutes,
        theirs=None,
        ratio=None,
        than=None,
        target="< 5 min",
        met=minutes < 5,
        gpu=hardware["gpu"],
        runs=runs,
    )


PARTS = {part.__name__: part for part in (steps, quantized, scoring, loss, accuracy, stage, fifty, gpu)}

if __name__ == "__main__":
    if not (paths.split(DATASET) / "train.npz").exists():
        for made_by in ("download", "preprocess"):
            subprocess.run([sys.executable, "-m", f"stages.{made_by}", "--dataset", DATASET], check=True)
    print(HEAD)
    for chosen in sys.argv[1:] or [name for name in PARTS if name != "gpu"]:
        PARTS[chosen]()
