"""Builds models from their entries in params.yaml, without weights or with trained ones."""

from importlib import import_module
from pathlib import Path

import torch

from stages.config.model import ModelSettings
from stages.interfaces.weights import load_weights
from stages.models.autoencoder import AutoEncoder


def build_model(settings: ModelSettings, n_items: int) -> AutoEncoder:
    """A model without weights, for `n_items` items; its kind names its module in this package."""
    model: AutoEncoder = import_module(f".{settings.kind}", __package__).build(settings, n_items)
    return model


def load_model(settings: ModelSettings, n_items: int, path: Path, device: torch.device) -> AutoEncoder:
    """A trained model, ready to embed.

    Parameters
    ----------
    settings : entry of the model
    n_items : number of items of the split
    path : file of its weights

    Raises
    ------
    UserError
        as in `load_weights`.
    """
    return load_weights(build_model(settings, n_items), path, "train").to(device)
