"""Measure a model's own rows on the test users, without quantizers fitted after training.

python -m stages.evaluate --dataset ml-latest-small --model dae-200
"""

from collections.abc import Iterator

import torch

from stages.assembly.rows import StoredRow, measure_rows
from stages.config.params import Params
from stages.config.reader import read_params
from stages.interfaces.split import Split, load_split
from stages.models.autoencoder import in_variant
from stages.models.build import load_model
from stages.models.device import choose_device, describe
from stages.run import paths
from stages.run.command_line import Dataset, Model, run


def evaluate(dataset: Dataset, model: Model) -> None:
    """Write measurements of every variant in which a model stores its users, for each seed."""
    params = read_params()
    params.model(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    stored = _stored_rows(params, dataset, model, split, device)
    measure_rows(dataset, "models", model, stored, split, params.evaluation.batch_size, describe(device))


def _stored_rows(params: Params, dataset: str, model: str, split: Split, device: torch.device) -> Iterator[StoredRow]:
    for seed in params.seeds:
        network = load_model(params.model(model), split.train.shape[1], paths.model(dataset, model, seed), device)
        codec = network.codec()
        for row in params.rows_of(model):
            yield StoredRow(row.name, seed, network, in_variant(codec, row.variant))


if __name__ == "__main__":
    run(evaluate)
