"""A training of an entry under models in params.yaml: how it is set up, run to its end, and resumed."""

import hashlib
import json
from pathlib import Path
from statistics import fmean, median
from time import perf_counter

import torch
from tqdm import tqdm

from stages.codebooks.codebook_codec import CodebookCodec
from stages.config import model as schema
from stages.config.params import Params
from stages.interactions.protocol.strong_generalization import Split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model, choose_precision, in_form, save_state
from stages.models.training import Training
from stages.ranking.evaluation import evaluate
from stages.run import paths
from stages.run.errors import UserError

DECISIVE = ("models", "quantizers", "ranking")  # packages whose code decides the weights
SECONDS_BETWEEN_LINES = 1.0  # of progress; small sets have many short epochs


def new_training(
    params: Params, dataset: str, settings: schema.Model, seed: int, split: Split, device: torch.device
) -> Training:
    """A training that has not begun.

    Parameters
    ----------
    dataset : whose batch size and epochs are taken
    settings : of the model

    Raises
    ------
    UserError
        where the device has no instructions for the precision that params.yaml asks for.
    """
    size = params.dataset(dataset).training
    network = build_model(settings, split.train.shape[1]).to(device)
    return Training(
        network,
        split.train,
        validate=lambda: validation_ndcg(network, settings.forms, split, params.evaluation.batch_size),
        epochs=size.epochs,
        batch_size=size.batch_size,
        learning_rate=settings.learning_rate,
        cooldown=params.training.cooldown,
        l2=settings.l2,
        precision=choose_precision(params.training.precision, device),
        seed=seed,
    )


def validation_ndcg(network: AutoEncoder, forms: schema.Forms, split: Split, batch_size: int) -> float:
    """NDCG@100, the mean of all forms that this training is for; of the one form there is until codebooks start."""
    codec = network.codec()
    codecs = [in_form(codec, form) for form in forms] if isinstance(codec, CodebookCodec) else [codec]
    return fmean(evaluate(network, form, split.validation, batch_size)["ndcg@100"].mean() for form in codecs)


def run_to_the_end(training: Training, checkpoint: Path, fingerprint: str, checkpoint_epochs: int) -> dict[str, object]:
    """Go on from a checkpoint if there is one, print how it goes, and keep a checkpoint of every few epochs.

    The last epoch has one too: while other seeds are trained, a finished training must not be lost.

    Returns
    -------
    for the record: seed, seconds, users_per_second (median of the epochs; None where nothing was left to do), and
    resumed_after_epoch where it was

    Raises
    ------
    UserError
        where the checkpoint is cut short, or the loss is no longer finite.
    """
    n_users = training.train.shape[0]
    started = printed = perf_counter()
    facts: dict[str, object] = {"seed": training.seed}
    if _resume(training, checkpoint, fingerprint):
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
        if epoch.epoch % checkpoint_epochs == 0 or epoch.epoch == training.epochs:
            with paths.whole_file(checkpoint) as temporary:
                save_state({"fingerprint": fingerprint, "training": training.state_dict()}, temporary)
    return facts | {
        "seconds": round(perf_counter() - started, 1),
        "users_per_second": round(median(speeds)) if speeds else None,
    }


def fingerprint_of(params: Params, dataset: str, settings: schema.Model, seed: int, device: torch.device) -> str:
    """A digest of everything that decides the weights; resuming a training with other such is no resuming."""
    digest = hashlib.sha256()
    size = params.dataset(dataset).training
    training = params.training.model_dump(exclude={"checkpoint_epochs"})
    decisive = [settings.model_dump(), size.model_dump(), training, seed, device.type, torch.__version__]
    digest.update(json.dumps(decisive).encode())
    code = [
        Path(__file__),
        *(file for package in DECISIVE for file in sorted((Path(__file__).parent / package).glob("*.py"))),
    ]
    for file in [*sorted(paths.split(dataset).glob("*.npz")), *code]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


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
