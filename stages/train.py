"""Train a model on the train users; a killed training goes on from its last checkpoint.

python -m stages.train --dataset ml-latest-small --model dae-200
"""

import hashlib
import json
from dataclasses import astuple, fields
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from stages import params as schema
from stages import paths
from stages.build import build_model, choose_device, choose_precision, describe
from stages.catalogue import DatasetTraining
from stages.command_line import Dataset, Model, run
from stages.errors import UserError
from stages.interactions.split import Split
from stages.interactions.storage import load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.ease import Ease
from stages.models.memory import keep_freed_memory
from stages.models.popularity import Popularity
from stages.models.training import Epoch, Training
from stages.params import read_params
from stages.ranking.evaluation import evaluate
from stages.records import recorded

DECISIVE = ("models", "quantizers", "ranking")  # packages whose code decides the weights
SECONDS_BETWEEN_LINES = 1.0  # of progress; small sets have many short epochs


def train(dataset: Dataset, model: Model) -> None:
    """Train a model and keep the weights of its best epoch on the validation users."""
    params = read_params()
    settings, size = params.model(model), params.dataset(dataset).training
    folder, checkpoint = paths.split(dataset), paths.checkpoint(dataset, model)
    split = load_split(folder)
    device = choose_device(params.device)
    keep_freed_memory()
    with recorded(paths.record(dataset, f"train-{model}")) as record:
        record |= describe(device)
        network = build_model(settings, split.train.shape[1]).to(device)
        curve: list[Epoch] = []
        if isinstance(network, AutoEncoder):
            assert isinstance(settings, schema.AutoEncoder)
            training = Training(
                network,
                split.train,
                validate=lambda: _validation_ndcg(network, split, params.evaluation.batch_size),
                epochs=size.epochs,
                batch_size=size.batch_size,
                learning_rate=settings.learning_rate,
                l2=settings.l2,
                precision=choose_precision(params.training.precision, device),
                seed=params.training.seed,
            )
            fingerprint = _fingerprint(params, settings, size, folder, device)
            if _resume(training, checkpoint, fingerprint):
                record["resumed_after_epoch"] = len(training.curve)
            speed = _run(training, checkpoint, fingerprint, params.training.checkpoint_epochs)
            record |= {"precision": params.training.precision, "users_per_second": round(speed)}
            network.load_state_dict(training.best_weights)
            curve = training.curve
        else:
            assert isinstance(network, Popularity | Ease)
            network.fit(split.train)
        if device.type == "cuda":
            record["gpu_peak_memory_bytes"] = torch.cuda.max_memory_allocated(device)
        with paths.whole_file(paths.curves(dataset, model)) as temporary:
            names = [field.name for field in fields(Epoch)]
            pd.DataFrame([astuple(epoch) for epoch in curve], columns=names).to_csv(temporary, index=False)
        with paths.whole_file(paths.model(dataset, model)) as temporary:
            _save(network.state_dict(), temporary)
    checkpoint.unlink(missing_ok=True)


def _validation_ndcg(network: AutoEncoder, split: Split, batch_size: int) -> float:
    return float(evaluate(network, network.codec(), split.validation, batch_size)["ndcg@100"].mean())


def _run(training: Training, checkpoint: Path, fingerprint: str, checkpoint_epochs: int) -> float:
    """Train to the end: print how it goes, keep a checkpoint of every few epochs, and return the median users/s."""
    n_users = training.train.shape[0]
    printed = perf_counter()
    speeds = []
    for epoch in training.run(lambda batches: tqdm(batches, leave=False, disable=None, unit="batch")):
        now = perf_counter()
        speeds.append(n_users / training.epoch_seconds)
        if now - printed >= SECONDS_BETWEEN_LINES or epoch.epoch == training.epochs:
            best = f"best {training.best_ndcg:.4f}" if training.best_weights else "float until codebooks start"
            print(
                f"epoch {epoch.epoch}/{training.epochs}  loss {epoch.loss:.2f}  "
                f"validation NDCG@100 {epoch.validation_ndcg:.4f} ({best})  "
                f"{speeds[-1]:,.0f} users/s",
                flush=True,
            )
            printed = now
        if epoch.epoch % checkpoint_epochs == 0 and epoch.epoch < training.epochs:
            with paths.whole_file(checkpoint) as temporary:
                _save({"fingerprint": fingerprint, "training": training.state_dict()}, temporary)
    return median(speeds)


def _resume(training: Training, checkpoint: Path, fingerprint: str) -> bool:
    """Go on from a checkpoint, if there is one of the very same training; say whether there was."""
    if not checkpoint.exists():
        return False
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except Exception as error:  # torch.load raises whatever unpickling ran into
        raise UserError(f"{checkpoint} is cut short or no checkpoint; remove it to train from the start") from error
    if found != fingerprint:
        print(f"{checkpoint} belongs to other parameters, data or code: training from the start")
        return False
    training.load_state_dict(state["training"])
    print(f"going on after epoch {len(training.curve)}, from {checkpoint}")
    return True


def _fingerprint(
    params: schema.Params, settings: schema.AutoEncoder, size: DatasetTraining, split: Path, device: torch.device
) -> str:
    """A digest of everything that decides the weights; resuming a training with other such is no resuming."""
    digest = hashlib.sha256()
    training = params.training.model_dump(exclude={"checkpoint_epochs"})
    decisive = [settings.model_dump(), size.model_dump(), training, device.type, torch.__version__]
    digest.update(json.dumps(decisive).encode())
    code = [
        Path(__file__),
        *(file for package in DECISIVE for file in sorted((Path(__file__).parent / package).glob("*.py"))),
    ]
    for file in [*sorted(split.glob("*.npz")), *code]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _save(state: Any, path: Path) -> None:
    # To a file object: given a path, torch writes its name into the file, and the bytes would differ.
    with path.open("wb") as file:
        torch.save(state, file)


if __name__ == "__main__":
    run(train)
