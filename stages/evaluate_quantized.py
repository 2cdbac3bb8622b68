"""Measure the rows of a model whose users are quantized after training, on the test users.

python -m stages.evaluate_quantized --dataset ml-latest-small --model dae-200
"""

from collections.abc import Iterator

import torch

from stages.assembly.rows import StoredRow, measure_rows, with_encoder
from stages.codecs import load_codec
from stages.config.params import Params
from stages.config.reader import read_params
from stages.interfaces.split import Split, load_split
from stages.models.build import load_any
from stages.models.device import choose_device, describe
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.memory import keep_freed_memory


def evaluate_quantized(dataset: Dataset, model: Model) -> None:
    """Write measurements of every variant of a model's quantizers, for each seed."""
    params = read_params()
    params.quantizers_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    stored = _stored_rows(params, dataset, model, split, device)
    keep_freed_memory()
    with (
        recorded(dataset, f"evaluate-quantized-{model}") as facts,
        whole_folder(paths.evaluation(dataset, "quantized", model)) as folder,
    ):
        facts |= describe(device)
        facts["microseconds"] = measure_rows(stored, split, params.evaluation.batch_size, folder)


def _stored_rows(params: Params, dataset: str, model: str, split: Split, device: torch.device) -> Iterator[StoredRow]:
    for seed in params.seeds_of(model):
        network = load_any(params.model(model), split, paths.model(dataset, model, seed), device)
        for row in params.quantized_rows_of(model):
            codec = load_codec(paths.codec(dataset, row.model, row.nearest.name, seed))
            guided = with_encoder(codec, row.encoder, params.encoder_of(row), network)
            yield StoredRow(row.name, seed, codec.recommender(network), guided)


if __name__ == "__main__":
    run(evaluate_quantized)
