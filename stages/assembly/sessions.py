"""Training sessions of models in params.yaml: set up, run to the end, resumed from checkpoints."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from stages.assembly.warm_start import begin_from, earlier_files
from stages.codebooks.codebook_codec import CodebookCodec
from stages.config.model import DaeSettings, TrainedSettings
from stages.config.params import Params, Recipe
from stages.config.quantizer import EncoderSettings
from stages.config.strict import Variant
from stages.interfaces.split import Split
from stages.interfaces.weights import digest_of, save_state
from stages.models.autoencoder import AutoEncoder, in_variant
from stages.models.build import build_model, build_shard
from stages.models.device import choose_precision, threads_for, use_threads
from stages.models.shard import AllItems
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.errors import UserError
from stages.run.files import whole_file
from stages.run.locks import PATIENCE as LOCK_PATIENCE
from stages.training.loop import Training, float_epochs

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
PATIENCE = 600.0  # seconds; another training that writes the same float phase soon has it


class FloatPhase(NamedTuple):
    """The first epochs of a training, which others begin with too."""

    epochs: int
    """How many."""
    checkpoint: Path
    """File of the state after them."""
    fingerprint: str
    """Digest of everything that decides that state."""


def new_training(
    params: Params,
    dataset: str,
    recipe: Recipe,
    seed: int,
    split: Split,
    device: torch.device,
    shard: AllItems | None = None,
) -> Training[AutoEncoder]:
    """Set up a training from its first epoch, and set how many threads PyTorch and faiss use for it.

    Parameters
    ----------
    dataset : data set whose batch size is used
    recipe : settings of the model, and number of epochs
    seed : seed of the training
    shard : the items of this process where several train together; None for all items

    Raises
    ------
    UserError
        where the device does not support the precision in params.yaml, or as in `begin_from`.
    """
    settings = recipe.settings
    use_threads(threads_of(params, dataset, recipe, split, device))
    shard = shard or AllItems(split.train.shape[1])
    whole = build_model(settings, shard.n_items).to(device)
    network = whole if shard.n_processes == 1 else build_shard(settings, shard).to(device)

    def validate() -> float:
        return validation_ndcg(whole, settings.variants, split, params.evaluation.batch_size)

    training = Training(
        network,
        split.train,
        validate=lambda: shard.on_first(validate),
        epochs=recipe.epochs,
        batch_size=params.dataset(dataset).training.batch_size,
        learning_rate=settings.learning_rate,
        cooldown=params.training.cooldown,
        l2=settings.l2,
        precision=choose_precision(params.precision(dataset), device),
        seed=seed,
        n_sampled=params.training.sampled.of(shard.n_items),
        whole=whole,
    )
    begin_from(network, recipe, seed, shard.own_rows(split.items))
    whole.eval()
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
    training: Training[AutoEncoder],
    checkpoint: Path,
    fingerprint: str,
    checkpoint_epochs: int,
    phases: Sequence[FloatPhase] = (),
) -> dict[str, Any]:
    """Train from a checkpoint, if there is one, to the last epoch; print progress, and write checkpoints.

    The last checkpoint is of the finished training and stays on disk. So nothing is trained twice when a seed is added,
    or when a stage was killed while it trained another seed.

    Parameters
    ----------
    fingerprint : digest from `fingerprint_of`; a checkpoint with another fingerprint is ignored
    checkpoint_epochs : number of epochs from one checkpoint to the next
    phases : result of `float_phases`; the training goes on from the longest that is on disk, and writes the others

    Returns
    -------
    run facts: seed, seconds, users_per_second (median of the epochs), and resumed_after_epoch if the training was
    resumed; for a training that was finished before, the facts of the run that finished it. A float phase from disk
    counts with what it took when it was trained

    Raises
    ------
    UserError
        where the checkpoint is damaged, or (`DivergedError`) the loss or a weight is no longer finite.
    """
    n_users, shard = training.train.shape[0], training.model.shard
    is_first = shard.rank == 0
    started = printed = perf_counter()
    state = _resume(training, checkpoint, fingerprint)
    if state and state["facts"]:
        print(f"{checkpoint} is finished")
        return state["facts"]
    facts: dict[str, Any] = {"seed": training.seed}
    if state:
        print(f"going on after epoch {len(training.curve)}, from {checkpoint}")
        facts["resumed_after_epoch"] = len(training.curve)
    seconds_before, speeds = 0.0, []
    if begun := _begin_with(training, phases):
        facts, seconds_before, speeds = begun["facts"], begun["seconds"], begun["speeds"]
    show = partial(tqdm, leave=False, disable=None if is_first else True, unit="batch")
    for epoch in training.run(show):
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
            facts |= {
                "seconds": round(seconds_before + now - started, 1),
                "users_per_second": round(median(speeds)),
            }
        if epoch.epoch % checkpoint_epochs == 0 or is_last:
            content = training.state_dict()
            if is_first:
                _write(checkpoint, {"fingerprint": fingerprint, "training": content, "facts": is_last and facts})
        for phase in phases:
            if epoch.epoch == phase.epochs and shard.on_first(partial(_is_missing, phase.checkpoint)):
                state = {"fingerprint": phase.fingerprint, "training": training.float_state_dict(), "facts": facts}
                state |= {"seconds": seconds_before + perf_counter() - started, "speeds": speeds}
                if is_first:
                    _write(phase.checkpoint, state, PATIENCE)
    return facts


def float_phases(params: Params, dataset: str, recipe: Recipe, seed: int, device: torch.device) -> list[FloatPhase]:
    """The float epochs that a training has in common with models in params.yaml that are quantized in training.

    Until codebooks start, such a model is trained as its float twin is, epoch by epoch and bit by bit, if all settings
    but those of the bottleneck are the same. So the epochs are trained once, by whichever comes first.

    Parameters
    ----------
    dataset : data set that is trained on
    recipe : how the model is trained
    seed : seed of the training

    Returns
    -------
    the longest first; empty for models that are never quantized in training, and for those with a warm start
    """
    float_twin = _without_codes(recipe)
    if float_twin is None:
        return []
    models = [name for name, entry in params.models.items() if isinstance(entry, DaeSettings)]
    others = [params.recipe(dataset, name) for name in models]
    lengths = {_float_epochs(other) for other in [recipe, *others] if _without_codes(other) == float_twin}
    common = fingerprint_of(params, dataset, float_twin, seed, device)
    phases = []
    for length in sorted(lengths, reverse=True):
        if 0 < length <= _float_epochs(recipe) and length < recipe.epochs:
            fingerprint = hashlib.sha256(f"{common} {length}".encode()).hexdigest()
            phases.append(FloatPhase(length, paths.float_phase(dataset, fingerprint), fingerprint))
    return phases


def fingerprint_of(params: Params, dataset: str, recipe: Recipe, seed: int, device: torch.device) -> str:
    """Digest of everything that decides the weights: parameters, seed, split, code, packages, kind of device."""
    decisive = [
        _decisive(recipe.settings),
        recipe.epochs,
        params.dataset(dataset).training.batch_size,
        params.training.cooldown,
        params.training.sampled.model_dump(),
        params.precision(dataset),
        params.evaluation.model_dump(),
        seed,
        device.type,
        {package: version(package) for package in DECISIVE_PACKAGES},
    ]
    digest = hashlib.sha256(json.dumps(decisive).encode())
    stages = Path(__file__).parents[1]
    code = [file for place in DECISIVE_CODE for file in sorted((stages / place).rglob("*.py")) or [stages / place]]
    for file in [*sorted(paths.split(dataset).glob("*.npz")), *code, *earlier_files(recipe, seed)]:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _decisive(settings: TrainedSettings) -> dict[str, Any]:
    """The entry of a model without the encoders, which choose codes once it is trained."""
    entry = settings.model_dump()
    if isinstance(settings, DaeSettings) and settings.bottleneck:
        entry["bottleneck"] = settings.bottleneck.model_dump(exclude=set(EncoderSettings.model_fields))
    return entry


def _without_codes(recipe: Recipe) -> Recipe | None:
    """The recipe as that of a float model without a name; None where it can't be another's too."""
    if recipe.warm_start or not isinstance(recipe.settings, DaeSettings):
        return None
    settings = recipe.settings.model_copy(update={"bottleneck": None, "float_types": None})
    return recipe._replace(settings=settings, model="")


def _float_epochs(recipe: Recipe) -> int:
    """Epochs before codebooks start, or all."""
    assert isinstance(recipe.settings, DaeSettings), "other models have no codebooks"
    bottleneck = recipe.settings.bottleneck
    return recipe.epochs if bottleneck is None else float_epochs(bottleneck.start, recipe.epochs)


def _resume(training: Training[AutoEncoder], checkpoint: Path, fingerprint: str) -> dict[str, Any] | None:
    """Load the checkpoint into the training and return it; None if it is missing or has another fingerprint."""
    state = _read(checkpoint, fingerprint)
    if state:
        training.load_state_dict(state["training"])
    return state


def _begin_with(training: Training[AutoEncoder], phases: Sequence[FloatPhase]) -> dict[str, Any] | None:
    """Load the longest float phase on disk that leads further than the training is, and return it; None without."""
    for phase in phases:
        if len(training.curve) < phase.epochs and (state := _read(phase.checkpoint, phase.fingerprint)):
            training.load_float_state_dict(state["training"])
            print(f"going on after epoch {phase.epochs}, from {phase.checkpoint}")
            return state
    return None


def _is_missing(checkpoint: Path) -> bool:
    return not checkpoint.exists()


def _write(checkpoint: Path, state: dict[str, Any], patience: float = LOCK_PATIENCE) -> None:
    with whole_file(checkpoint, patience) as temporary:
        save_state(state | {"digest": digest_of(state)}, temporary)


def _read(checkpoint: Path, fingerprint: str) -> dict[str, Any] | None:
    """What a checkpoint holds; None if it is missing or has another fingerprint."""
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
        print(f"{checkpoint} belongs to other parameters, data or code: not going on from it")
        return None
    return state
