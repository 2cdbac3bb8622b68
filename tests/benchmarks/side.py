"""One side of a benchmark, in a process of its own; prints what it measured as JSON. `training.py` calls it.

python tests/benchmarks/side.py steps ours dae-200 bfloat16 500 cpu
"""

import json
import os
import sys
import timeit
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import stages  # noqa: F401, I001 (before torch: how its threads wait)
import torch
from torch import Tensor

from stages.config.model import DaeSettings, TrainedSettings, VaeSettings
from stages.config.reader import read_params
from stages.evaluation.measurements import measure_users
from stages.interfaces.codec import Float32
from stages.interfaces.split import Split, load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model
from stages.ranking import streamed
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.memory import keep_freed_memory
from stages.training.loop import Training
from tests.benchmarks import textbook

DATASET = "ml-20m-rehearsal"
BATCH = 500  # as Liang et al. 2018
WARM_UP, STEPS = 5, 40


def steps(side: str, model: str, precision: str, batch_size: str, device: str) -> dict[str, Any]:
    """Training steps: users/s, seconds an epoch would take, and GB taken beyond the data."""
    split, at_once = load_split(paths.split(DATASET)), int(batch_size)
    data = reset_peak_memory()
    ends: list[float] = []

    def timed(batches: Iterable[Any]) -> Iterable[Any]:
        for batch in islice(batches, WARM_UP + STEPS):
            yield batch
            ends.append(perf_counter())

    if side != "theirs":
        keep_freed_memory()
    if side == "ours":
        settings = settings_of(model)
        if isinstance(settings, DaeSettings) and settings.bottleneck:  # quantized from the first step on
            bottleneck = settings.bottleneck.model_copy(update={"start": 0.0})
            settings = settings.model_copy(update={"bottleneck": bottleneck})
        training = training_of(settings, split, precision, at_once, 1, device)
        training.validate = lambda: 0.0
        list(training.run(timed))
    else:
        settings = settings_of(model)
        network = textbook.build(settings.hidden, isinstance(settings, VaeSettings), split.train.shape[1]).to(device)
        batches = textbook.batches_of(split.train, at_once, 0)
        optimizer = textbook.optimizer_of(network, settings.l2, fused=side == "tuned")
        list(textbook.train(network, optimizer, timed(batches), autocast=precision == "bfloat16"))
    step = (ends[-1] - ends[WARM_UP - 1]) / STEPS
    return {
        "users_per_second": at_once / step,
        "epoch_seconds": step * split.train.shape[0] / at_once,
        "memory_gb": (peak_memory() - data) / 1e9,
    }


def whole(
    side: str, model: str, precision: str, batch_size: str, epochs: str, learning_rate: str, device: str
) -> dict[str, Any]:
    """A whole training: seconds to the end of each epoch, with its validation, and NDCG@100 then."""
    split = load_split(paths.split(DATASET))
    keep_freed_memory()
    settings = settings_of(model).model_copy(update={"learning_rate": float(learning_rate)})
    started = perf_counter()
    if side == "ours":
        training = training_of(settings, split, precision, int(batch_size), int(epochs), device)
        curve: Iterable[float] = (epoch.validation_ndcg for epoch in training.run(iter))
    else:
        autocast = precision == "bfloat16"
        curve = textbook.curve(settings.hidden, settings.l2, split, int(epochs), fused=True, autocast=autocast)
    ends, ndcg = zip(*((perf_counter() - started, found) for found in curve), strict=True)
    return {"ends": ends, "ndcg": ndcg}


def loss(epochs: str) -> dict[str, Any]:
    """Mean loss of each epoch, ours in float32 and the textbook's: same weights, batches and dropout."""
    split, settings = load_split(paths.split(DATASET)), settings_of("dae-200")
    keep_freed_memory()
    training = training_of(settings, split, "float32", BATCH, int(epochs), "cpu")
    training.validate = lambda: 0.0
    network = textbook_of(training.model)
    draws = torch.Generator()
    draws.set_state(training.generator.get_state())
    ours = [epoch.loss for epoch in training.run(iter)]

    def drop(users: Tensor) -> Tensor:
        kept = torch.rand(int(users.count_nonzero()), generator=draws) >= settings.dropout
        dropped = users.clone()
        dropped[users != 0] *= kept / (1 - settings.dropout)
        return dropped

    theirs = []
    optimizer = textbook.optimizer_of(network, settings.l2)
    for _ in ours:
        rows = torch.randperm(split.train.shape[0], generator=draws).split(BATCH)
        losses = textbook.train(network, optimizer, (split.train[users.numpy()] for users in rows), drop)
        theirs.append(sum(loss * len(users) for loss, users in zip(losses, rows, strict=True)) / split.train.shape[0])
    return {"ours": ours, "theirs": theirs}


def scoring(side: str, folder: str, device: str) -> dict[str, Any]:
    """Embedding the train users and evaluating the test users: seconds; the results go to the folder."""
    split = load_split(paths.split(DATASET))
    keep_freed_memory()
    if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":  # PyTorch says what the processor has in any case
        streamed.is_faster_in_bfloat16 = lambda: False  # type: ignore[attr-defined]
    model, weights = training_of(settings_of("dae-200"), split, "float32", BATCH, 2, device), Path(folder, "model.pt")
    if not weights.exists():  # the first one trains what all score with
        list(model.run(iter))
        torch.save(model.model.state_dict(), weights)
    ours = model.model.eval()
    ours.load_state_dict(torch.load(weights))
    theirs = textbook_of(ours)
    sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "ours": (
            lambda: embedded(ours, split),
            lambda: measure_users(ours, Float32(), split.test, BATCH),
        ),
        "theirs": (
            lambda: textbook.embed(theirs, split.train, BATCH),
            lambda: textbook.evaluate(theirs, split.test, BATCH, textbook.METRICS),
        ),
    }
    embed, score = sides[side]
    results: dict[str, Any] = {"vectors": embed(), **{name: np.asarray(values) for name, values in score().items()}}
    np.savez(Path(folder, f"{side}.npz"), **results)
    return {
        "embed_seconds": median(timeit.repeat(embed, number=1, repeat=3)),
        "score_seconds": median(timeit.repeat(score, number=1, repeat=3)),
        "train_users": split.train.shape[0],
    }


def embedded(model: AutoEncoder, split: Split) -> np.ndarray:
    """The train users' embeddings, as many at once as are ranked at once."""
    starts = range(0, split.train.shape[0], BATCH)
    return np.concatenate([model.embed(split.train[start : start + BATCH]) for start in starts])


def settings_of(model: str) -> TrainedSettings:
    return read_params().trained(model)


def training_of(
    settings: TrainedSettings, split: Split, precision: str, batch_size: int, epochs: int, device: str
) -> Training[AutoEncoder]:
    network = build_model(settings, split.train.shape[1])
    network.to(device)
    return Training(
        network,
        split.train,
        lambda: float(ndcg_of_users(network, network.codec(), split.validation, BATCH).mean()),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=settings.learning_rate,
        cooldown=0.0,  # as the other side
        l2=settings.l2 * batch_size / BATCH,  # the same weight decay at every batch size
        precision=getattr(torch, precision),
        seed=0,
    )


def textbook_of(model: AutoEncoder) -> textbook.Dae:
    """The same weights as a DAE with one hidden layer."""
    n_items, width = model.input_weight.shape
    network = textbook.Dae(n_items, [width]).eval()
    ours = [model.input_weight.T, model.input_bias, model.output.weight, model.output.bias]
    for parameter, value in zip(network.parameters(), ours, strict=True):
        parameter.data.copy_(value)
    return network


def reset_peak_memory() -> int:
    """Forget the peak so far, and return the bytes that are taken now (proc(5): clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def peak_memory() -> int:
    """Bytes, since `reset_peak_memory`."""
    return _memory("VmHWM")


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    sides: dict[str, Callable[..., Any]] = {"steps": steps, "whole": whole, "loss": loss, "scoring": scoring}
    print(json.dumps(sides[sys.argv[1]](*sys.argv[2:])))
