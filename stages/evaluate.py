"""Score rows of the report on the test users: a model as it is, or with its users quantized after training.

python -m stages.evaluate --dataset ml-latest-small --model dae-200
python -m stages.evaluate --dataset ml-latest-small --model dae-200 --quantized
"""

from collections.abc import Iterator
from typing import Annotated

import pandas as pd
import torch
import typer

from stages.config.params import Params, Row, read_params
from stages.evaluation.measurements import Result, evaluate_row, microseconds_of, write_results
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import load_split
from stages.models.build import build_model, build_reference, choose_device, describe, in_form, load_codec, load_weights
from stages.ranking.evaluation import METRICS
from stages.run import paths
from stages.run.command_line import Dataset, ModelOrReference, run
from stages.run.records import recorded

Quantized = Annotated[bool, typer.Option("--quantized", help="Its users quantized after training.")]


def evaluate(dataset: Dataset, model: ModelOrReference, quantized: Quantized = False) -> None:
    """Write the metrics of every form that a model's users are stored in, of each of its trainings.

    For each row a folder with: per_user.parquet, metrics of each seed and test user; code_usage.csv; stored.json, bytes
    per user, bytes shared by all, and what is lost.
    """
    params = read_params()
    rows = params.quantized_rows_of(model) if quantized else params.rows_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    stage, target = (
        (f"evaluate-quantized-{model}", paths.quantized_evaluation(dataset, model))
        if quantized
        else (f"evaluate-{model}", paths.evaluation(dataset, model))
    )
    with recorded(paths.record(dataset, stage)) as record, paths.whole_folder(target) as folder:
        record |= describe(device)
        results: dict[str, list[Result]] = {row.name: [] for row in rows}
        for seed in params.seeds_of(model):
            network = _load_model(params, dataset, model, seed, split.train.shape[1], device)
            for row, codec in _codecs(params, dataset, network, rows, seed):
                results[row.name].append(evaluate_row(network, codec, split, params.evaluation.batch_size, seed))
        for name, of_seeds in results.items():
            write_results(of_seeds, folder / name)
        record["microseconds"] = {name: microseconds_of(of_seeds) for name, of_seeds in results.items()}
    for name, of_seeds in results.items():
        users = pd.concat([result.per_user for result in of_seeds])
        means = "  ".join(f"{metric} {users[metric].mean():.4f}" for metric in METRICS)
        print(f"{name}: {of_seeds[0].bytes_per_user:,.1f} bytes per user  {means}")


def _load_model(params: Params, dataset: str, model: str, seed: int, n_items: int, device: torch.device) -> Recommender:
    if model in params.references:
        reference = build_reference(params.reference(model), n_items)
        return load_weights(reference, paths.reference(dataset, model), "fit", device)
    network = build_model(params.model(model), n_items)
    return load_weights(network, paths.model(dataset, model, seed), "train", device)


def _codecs(
    params: Params, dataset: str, network: Recommender, rows: list[Row], seed: int
) -> Iterator[tuple[Row, Codec]]:
    """What stores the users of each row."""
    own = network.codec()
    for row in rows:
        if row.quantizer is None:
            yield row, in_form(own, row.form)
        else:
            path = paths.codecs(dataset, row.model) / row.name / f"{seed}.npz"
            yield row, load_codec(path, params.quantizer(row.quantizer), row.form)


if __name__ == "__main__":
    run(evaluate)
