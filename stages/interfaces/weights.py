"""Weights of models on disk."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from stages.run.errors import UserError

Model = TypeVar("Model", bound=nn.Module)


def save_state(state: Any, path: Path) -> None:
    """Write weights or a checkpoint, with the same bytes wherever the file is."""
    # Given a path, torch would write the file's name into the file, and the bytes would differ.
    with path.open("wb") as file:
        torch.save(state, file)


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
        where there is no file at `path`, it is damaged, or its tensors have other names or shapes than the model's.
    """
    weights = _read(path, stage)
    if _shapes(weights) != _shapes(model.state_dict()):
        raise UserError(f"{path} belongs to a model of other layers; run the stage {stage} again")
    model.load_state_dict(weights)
    return model.eval()


def _read(path: Path, stage: str) -> Any:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise UserError(f"there are no weights at {path}; run the stage {stage} first") from None
    with file:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except MemoryError:
            raise
        except Exception as error:  # unpickling damaged bytes can raise anything, OSError included
            raise UserError(f"{path} is damaged; run the stage {stage} again") from error


def _shapes(weights: Any) -> dict[str, torch.Size] | None:
    """The shape of each tensor by its name; None if `weights` is not a dictionary of tensors."""
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        return None
    return {name: value.shape for name, value in weights.items()}
