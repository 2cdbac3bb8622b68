"""Weights of an earlier run, as the beginning of a training on newer interactions."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stages.config.params import Recipe
from stages.interfaces.split import ITEMS, load_items
from stages.interfaces.weights import load_weights
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model
from stages.run.errors import UserError, quoted


def earlier_files(recipe: Recipe, seed: int) -> list[Path]:
    """What a training begins from: weights of the same seed, and the table of their items; nothing if it starts cold.

    Raises
    ------
    UserError
        where the earlier run lacks one of them.
    """
    if recipe.warm_start is None:
        return []
    run = Path(recipe.warm_start)
    files = [run / "models" / recipe.model / f"{seed}.pt", run / "split" / ITEMS]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise UserError(
            f"warm_start of {recipe.model} in params.yaml is {quoted(recipe.warm_start)}, and there is no "
            f"{' and no '.join(missing)}; give a copy of data/<dataset>/ of an earlier run with the same seeds"
        )
    return files


@torch.no_grad()
def begin_from(network: AutoEncoder, recipe: Recipe, seed: int, items: np.ndarray) -> None:
    """Copy the weights of an earlier run, if there is one; rows of an item go by its id, and new items keep theirs.

    Codebooks are not copied: they start anew, from the vectors of this training.

    Parameters
    ----------
    network : initialised model for `items`
    items : (n_items,) original ids

    Raises
    ------
    UserError
        where the earlier run lacks a file, has a damaged one, or a model of other layers, or knows none of the items.
    """
    files = earlier_files(recipe, seed)
    if files:
        weights, table = files
        before = pd.Index(load_items(table))
        former = load_weights(build_model(recipe.settings, len(before)), weights, "train")
        rows = before.get_indexer(pd.Index(items))
        known = np.flatnonzero(rows >= 0)
        if not len(known):
            raise UserError(f"{table} has none of the items of this split; give an earlier run of the same catalogue")
        device = network.output.weight.device
        of_items = {id(tensor) for tensor in (network.input_weight, network.output.weight, network.output.bias)}
        for tensor, earlier in zip(network.parameters(), former.parameters(), strict=True):
            if id(tensor) in of_items:
                tensor[torch.from_numpy(known).to(device)] = earlier[torch.from_numpy(rows[known])].to(device)
            else:
                tensor.copy_(earlier)
