"""Weights of models on disk."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from stages.run.digests import checked, damaged
from stages.run.errors import UserError

Model = TypeVar("Model", bound=nn.Module)

BLOCK = 2**22  # weights that are looked at at once


def save_state(state: Any, path: Path) -> None:
    """Write weights or a checkpoint, with the same bytes wherever the file is."""
    # Given a path, torch would write the file's name into the file, and the bytes would differ.
    with path.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # of a full disk PyTorch says "unexpected pos"
                raise error.__context__ from None
            raise


def load_weights(model: Model, path: Path, stage: str) -> Model:
    """Load trained weights into a model that is on the CPU.

    Parameters
    ----------
    path : file of weights that `save_state` wrote
    stage : stage that writes this file, for error messages

    Returns
    -------
    the same model, in evaluation mode

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, its tensors have other names or shapes
        than the model's, or a weight is not finite.
    """
    with checked(path, stage) as file:
        try:
            weights = torch.load(file, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # unpickling damaged bytes can raise anything, OSError included
            raise damaged(path, "holds no weights", stage) from error
    if _shapes(weights) != _shapes(model.state_dict()):
        raise UserError(f"{path} belongs to a model of other layers; run the stage {stage} again")
    if not _are_finite(weights):
        raise damaged(path, "holds weights that are not finite", stage)
    model.load_state_dict(weights)
    return model.eval()


def digest_of(state: Any) -> str:
    """SHA-256 of what a checkpoint holds: nested dictionaries and sequences of tensors, numbers and text."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        match value:
            case torch.Tensor():
                digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy().data)
            case dict() | list() | tuple():
                digest.update(f"{len(value)} of ".encode())
                for part in value.items() if isinstance(value, dict) else value:
                    add(part)
            case _:
                digest.update(f"{value!r} ".encode())

    add(state)
    return digest.hexdigest()


def _are_finite(weights: dict[str, torch.Tensor]) -> bool:
    """Whether all weights are."""
    # In blocks, because a mask of EASE's whole matrix would take a quarter of its memory once more.
    return all(bool(block.isfinite().all()) for value in weights.values() for block in value.flatten().split(BLOCK))


def _shapes(weights: Any) -> dict[str, torch.Size] | None:
    """The shape of each tensor by its name; None if `weights` is not a dictionary of tensors."""
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        return None
    return {name: value.shape for name, value in weights.items()}
