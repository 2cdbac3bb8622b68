"""Measure every reference, and every model as it is, on the test users; not the quantizers fitted after training.

python -m stages.evaluate --dataset ml-latest-small
"""

from collections.abc import Iterator

import torch

from stages.assembly.rows import StoredRow, measure_rows, with_encoder
from stages.config.params import Params
from stages.config.reader import read_params
from stages.interfaces.split import Split, load_split
from stages.interfaces.weights import load_weights
from stages.models.autoencoder import in_variant
from stages.models.build import load_any
from stages.models.device import choose_device, describe
from stages.references.build import build_reference
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory


def evaluate(dataset: Dataset) -> None:
    """Write measurements of all references, and of every variant in which a model stores its users, for each seed.

    All in one stage: a row takes less time to be measured than Python takes to start.
    """
    params = read_params()
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    batch_size = params.evaluation.batch_size
    keep_freed_memory()
    with (
        recorded(dataset, "evaluate") as facts,
        whole_folder(paths.evaluations(dataset, "references")) as references,
        whole_folder(paths.evaluations(dataset, "models")) as models,
    ):
        facts |= describe(device)
        microseconds: dict[str, dict[str, float]] = {}
        for name in params.references:
            row = _reference(params, dataset, name, split)
            microseconds |= measure_rows([row], split, batch_size, references / name)
        for name in params.models:
            rows = _rows_of_model(params, dataset, name, split, device)
            microseconds |= measure_rows(rows, split, batch_size, models / name)
        facts["microseconds"] = microseconds


def _reference(params: Params, dataset: str, name: str, split: Split) -> StoredRow:
    """A reference, on the CPU; it has no seeds and is fitted once."""
    model = build_reference(params.reference(name), split.train.shape[1])
    load_weights(model, paths.reference(dataset, name), "fit")
    return StoredRow(name, 0, model, model.codec())


def _rows_of_model(params: Params, dataset: str, model: str, split: Split, device: torch.device) -> Iterator[StoredRow]:
    for seed in params.seeds_of(model):
        network = load_any(params.model(model), split, paths.model(dataset, model, seed), device)
        codec = network.codec()
        for row in params.rows_of(model):
            stored = with_encoder(in_variant(codec, row.variant), row.encoder, params.encoder_of(row), network)
            yield StoredRow(row.name, seed, network, stored)


if __name__ == "__main__":
    run(evaluate)
