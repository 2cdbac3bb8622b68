"""Builds models from their entries in params.yaml, without weights or with trained ones."""

from importlib import import_module
from pathlib import Path

import torch

from stages.config.model import ModelSettings, TrainedSettings, VectorsSettings
from stages.interfaces.split import Split
from stages.interfaces.weights import load_weights
from stages.models import vectors
from stages.models.autoencoder import AutoEncoder
from stages.models.shard import AllItems
from stages.models.vectors import Vectors


def build_model(settings: TrainedSettings, n_items: int) -> AutoEncoder:
    """A model without weights, for `n_items` items; its kind names its module in this package."""
    model: AutoEncoder = import_module(f".{settings.kind}", __package__).build(settings, n_items)
    return model


def build_shard(settings: TrainedSettings, shard: AllItems) -> AutoEncoder:
    """The part of a model without weights that a process trains."""
    model = build_model(settings, shard.n_own)
    model.shard = shard
    return model


def load_model(settings: TrainedSettings, n_items: int, path: Path, device: torch.device) -> AutoEncoder:
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


def load_any(settings: ModelSettings, split: Split, path: Path, device: torch.device) -> AutoEncoder | Vectors:
    """A trained model, or vectors from elsewhere, ready to embed the users of a split; arguments as in `load_model`."""
    if not isinstance(settings, VectorsSettings):
        return load_model(settings, len(split.items), path, device)
    return load_weights(vectors.build(settings, len(split.users), len(split.items)), path, "train").to(device)
