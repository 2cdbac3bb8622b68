"""Training sessions of models in params.yaml: set up, run to the end, resumed from checkpoints."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any

import torch
from tqdm import tqdm

from stages.assembly.warm_start import begin_from, earlier_files
from stages.codebooks.codebook_codec import CodebookCodec
from stages.config.params import Params, Recipe
from stages.config.strict import Variant
from stages.interfaces.split import Split
from stages.interfaces.weights import digest_of, save_state
from stages.models.autoencoder import AutoEncoder, in_variant
from stages.models.build import build_model
from stages.models.device import choose_precision, threads_for, use_threads
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.errors import UserError
from stages.run.files import whole_file
from stages.training.loop import Training

DECISIVE_CODE = (
    "assembly/sessions.py",
    "assembly/warm_start.py",
    "codebooks",
    "interfaces",
    "models",
    "ranking",
    "training",
)
"""Code under stages/ that decides the weights. The DVC stage train depends on it and on its own module only."""
DECISIVE_PACKAGES = ("torch", "numpy", "scipy", "faiss-cpu")
SECONDS_BETWEEN_LINES = 1.0  # lines of progress; small data sets have many short epochs


def new_training(
    params: Params, dataset: str, recipe: Recipe, seed: int, split: Split, device: torch.device
) -> Training[AutoEncoder]:
    """Set up a training from its first epoch, and set how many threads PyTorch and faiss use for it.

    Parameters
    ----------
    dataset : data set whose batch size is used
    recipe : settings of the model, and number of epochs
    seed : seed of the training

    Raises
    ------
    UserError
        where the device does not support the precision in params.yaml, or as in `begin_from`.
    """
    settings = recipe.settings
    use_threads(threads_of(params, dataset, recipe, split, device))
    network = build_model(settings, split.train.shape[1]).to(device)
    training = Training(
        network,
        split.train,
        validate=lambda: validation_ndcg(network, settings.variants, split, params.evaluation.batch_size),
        epochs=recipe.epochs,
        batch_size=params.dataset(dataset).training.batch_size,
        learning_rate=settings.learning_rate,
        cooldown=params.training.cooldown,
        l2=settings.l2,
        precision=choose_precision(params.training.precision, device),
        seed=seed,
    )
    begin_from(network, recipe, seed, split.items)
    return training


def threads_of(params: Params, dataset: str, recipe: Recipe, split: Split, device: torch.device) -> int:
    """How many threads a training uses; the largest product of a step is that of the output layer."""
    batch_size, n_items = params.dataset(dataset).training.batch_size, split.train.shape[1]
    return threads_for(batch_size * n_items * recipe.settings.hidden[-1], device)


def validation_ndcg(network: AutoEncoder, variants: list[Variant], split: Split, batch_size: int) -> float:
    """NDCG@100 of the validation users: the mean over all stored variants, or of float32 until codebooks start."""
    codec = network.codec()
    codecs = [in_variant(codec, variant) for variant in variants] if isinstance(codec, CodebookCodec) else [codec]
    return fmean(float(ndcg_of_users(network, codec, split.validation, batch_size).mean()) for codec in codecs)


def run_to_the_end(
    training: Training[AutoEncoder], checkpoint: Path, fingerprint: str, checkpoint_epochs: int
) -> dict[str, Any]:
    """Train from the checkpoint, if there is one, to the last epoch; print progress, and write checkpoints.

    The last checkpoint is of the finished training and stays on disk. So nothing is trained twice when a seed is added,
    or when a stage was killed while it trained another seed.

    Parameters
    ----------
    fingerprint : digest from `fingerprint_of`; a checkpoint with another fingerprint is ignored
    checkpoint_epochs : number of epochs from one checkpoint to the next

    Returns
    -------
    run facts: seed, seconds, users_per_second (median of the epochs), and resumed_after_epoch if the training was
    resumed; for a training that was finished before, the facts of the run that finished it

    Raises
    ------
    UserError
        where the checkpoint is damaged, or (`DivergedError`) the loss or a weight is no longer finite.
    """
    n_users = training.train.shape[0]
    started = printed = perf_counter()
    state = _resume(training, checkpoint, fingerprint)
    if state and state["facts"]:
        print(f"{checkpoint} is finished")
        return state["facts"]
    facts: dict[str, Any] = {"seed": training.seed}
    if state:
        print(f"going on after epoch {len(training.curve)}, from {checkpoint}")
        facts["resumed_after_epoch"] = len(training.curve)
    speeds = []
    for epoch in training.run(lambda batches: tqdm(batches, leave=False, disable=None, unit="batch")):
        now = perf_counter()
        speeds.append(n_users / training.epoch_seconds)
        if now - printed >= SECONDS_BETWEEN_LINES or epoch.epoch == training.epochs:
            print(
                f"seed {training.seed}  epoch {epoch.epoch}/{training.epochs}  loss {epoch.loss:.2f}  "
                f"validation NDCG@100 {epoch.validation_ndcg:.4f} (best {training.best_ndcg:.4f})  "
                f"{speeds[-1]:,.0f} users/s",
                flush=True,
            )
            printed = now
        is_last = epoch.epoch == training.epochs
        if is_last:
            facts |= {"seconds": round(now - started, 1), "users_per_second": round(median(speeds))}
        if epoch.epoch % checkpoint_epochs == 0 or is_last:
            with whole_file(checkpoint) as temporary:
                state = {"fingerprint": fingerprint, "training": training.state_dict(), "facts": is_last and facts}
                save_state(state | {"digest": digest_of(state)}, temporary)
    return facts


def fingerprint_of(params: Params, dataset: str, recipe: Recipe, seed: int, device: torch.device) -> str:
    """Digest of everything that decides the weights: parameters, seed, split, code, packages, kind of device."""
    decisive = [
        recipe.settings.model_dump(),
        recipe.epochs,
        params.dataset(dataset).training.batch_size,
        params.training.model_dump(exclude={"checkpoint_epochs"}),
        params.evaluation.model_dump(),
        seed,
        device.type,
        {package: version(package) for package in DECISIVE_PACKAGES},
    ]
    digest = hashlib.sha256(json.dumps(decisive).encode())
    stages = Path(__file__).parents[1]
    code = [file for place in DECISIVE_CODE for file in sorted((stages / place).rglob("*.py")) or [stages / place]]
    for file in [*sorted(paths.split(dataset).glob("*.npz")), *code, *earlier_files(recipe, seed)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _resume(training: Training[AutoEncoder], checkpoint: Path, fingerprint: str) -> dict[str, Any] | None:
    """Load the checkpoint into the training and return it; None if it is missing or has another fingerprint."""
    if not checkpoint.exists():
        return None
    try:
        if not checkpoint.is_file():  # to open a pipe would wait for its other end
            raise ValueError("it is no file")
        state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        is_of_this_training = state["fingerprint"] == fingerprint
        if is_of_this_training and state.pop("digest") != digest_of(state):
            raise ValueError("it was changed")
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # unpickling damaged bytes can raise anything
        raise UserError(f"{checkpoint} is damaged or no checkpoint; remove it to train from the start") from error
    if not is_of_this_training:
        print(f"{checkpoint} belongs to other parameters, data or code: training from the start")
        return None
    training.load_state_dict(state["training"])
    return state
