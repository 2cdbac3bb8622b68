"""Where every artefact lives, relative to the top of the repository, and how it is written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.run.errors import UserError

DATA = Path("data")
REPORTS = Path("reports")


def raw(dataset: str, name: str) -> Path:
    """The ratings as they came, a file or a folder of parts; a user may put a file there by hand."""
    return DATA / dataset / "raw" / name


def partial(dataset: str, name: str) -> Path:
    """A download that is not whole yet; no DVC output, as DVC removes those before a stage runs."""
    return DATA / dataset / f"{name}.part"


def files(path: Path) -> list[Path]:
    """The file itself, or all in the folder, sorted; what tools hide there (names with . or _ first) is left out."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in found if not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)]


def split(dataset: str) -> Path:
    """Folder of the interactions and splits."""
    return DATA / dataset / "split"


def reference(dataset: str, name: str) -> Path:
    """Of a model that is fitted once."""
    return DATA / dataset / "references" / f"{name}.pt"


def models(dataset: str, name: str) -> Path:
    """Folder of a model's weights, of each seed."""
    return DATA / dataset / "models" / name


def model(dataset: str, name: str, seed: int) -> Path:
    """Weights of one training."""
    return models(dataset, name) / f"{seed}.pt"


def checkpoint(dataset: str, name: str, seed: int) -> Path:
    """State of an unfinished training; no DVC output, as DVC removes those before a stage runs."""
    return DATA / dataset / "checkpoints" / f"{name}-{seed}.pt"


def curves(dataset: str, name: str) -> Path:
    """Loss and validation NDCG@100 per seed and epoch."""
    return DATA / dataset / "curves" / f"{name}.csv"


def codecs(dataset: str, model: str) -> Path:
    """Folder of the quantizers fitted on a model after training: one for each row, in it one for each seed."""
    return DATA / dataset / "codecs" / model


def evaluation(dataset: str, model: str) -> Path:
    """Folder with a folder for each row of a model as it is: its metrics per seed and user, and its code usage."""
    return DATA / dataset / "evaluation" / model


def quantized_evaluation(dataset: str, model: str) -> Path:
    """The same for the rows whose users were quantized after training."""
    return DATA / dataset / "quantized-evaluation" / model


def item_codecs(dataset: str, model: str) -> Path:
    """Folder of the quantizers fitted on a model's item tables: one for each size, in it two for each seed."""
    return DATA / dataset / "item-codecs" / model


def item_evaluation(dataset: str, model: str) -> Path:
    """As `evaluation`, for the rows whose item tables are quantized."""
    return DATA / dataset / "item-evaluation" / model


def refits(dataset: str, model: str) -> Path:
    """Folder of output layers trained on, for each row one for each seed; and what they give."""
    return DATA / dataset / "refits" / model


def budget(dataset: str, model: str) -> Path:
    """Folder of what codes give whose length depends on the user."""
    return DATA / dataset / "budgets" / model


def sweep(dataset: str, model: str) -> Path:
    """Journal of a search's trials; no DVC output."""
    return DATA / dataset / "sweeps" / f"{model}.log"


def variant(dataset: str, fingerprint: str) -> Path:
    """Validation metrics of a training that a study asked for; no DVC output."""
    return DATA / dataset / "studies" / f"{fingerprint}.npz"


def record(dataset: str, stage: str) -> Path:
    """What a stage ran on, and how long it took."""
    return DATA / dataset / "records" / f"{stage}.json"


def report(dataset: str) -> Path:
    """Folder of the report."""
    return REPORTS / dataset


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it if the block succeeds and vanishes if not."""
    with _named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary(path)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which replaces it if the block succeeds and vanishes if not."""
    with _named_errors(path):
        temporary, old = _temporary(path), path.with_name(f".{path.name}.old.part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            # A folder can't replace a full one in one step; until the new one is in place the old one is kept aside.
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                path.replace(old)
            try:
                temporary.replace(path)
            except OSError:
                old.replace(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    # Always the same name: what a killed process left behind is overwritten, not added to.
    return path.with_name(f".{path.name}.part")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot write {path}: {reason}; what was there before is untouched") from error
