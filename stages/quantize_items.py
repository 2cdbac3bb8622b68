"""Quantize a model's item tables, its output and input layers, and score the test users by them.

python -m stages.quantize_items --dataset ml-latest-small --model dae-200
"""

import copy
from statistics import fmean
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from stages.codebooks.fitted import FittedCodec
from stages.config.params import TABLES, ItemRow, Params, read_params
from stages.evaluation.cost import MOST_VECTORS_TIMED, microseconds, variance_lost
from stages.evaluation.measurements import Result, microseconds_of, no_code_usage, write_results
from stages.interactions.protocol.strong_generalization import Split
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.codec import Float32
from stages.interfaces.split import load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model, choose_device, describe, fit_codecs, load_codec, load_weights
from stages.ranking.evaluation import evaluate
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.records import recorded


class Quantized(NamedTuple):
    """A table of items, quantized."""

    codec: FittedCodec
    decoded: np.ndarray
    """float32 (n_items, d)."""
    lost: float
    """Share of the variance."""
    encode_us: float
    """Per item."""
    decode_us: float


def quantize_items(dataset: Dataset, model: Model) -> None:
    """Fit the quantizers that params.yaml names for a model's item tables, and score rows with one, both, and all."""
    params = read_params()
    quantizers = params.item_quantizers_of(model)
    split = load_split(paths.split(dataset))
    n_users, n_items = split.train.shape
    params.check_split(n_users, n_items)
    device = choose_device(params.device)
    keep_freed_memory()
    results: dict[str, list[Result]] = {}
    seconds: dict[str, list[float]] = {}
    with (
        recorded(paths.record(dataset, f"quantize-items-{model}")) as record,
        paths.whole_folder(paths.item_codecs(dataset, model)) as codecs,
        paths.whole_folder(paths.item_evaluation(dataset, model)) as folder,
    ):
        record |= describe(device)
        for seed in params.seeds:
            network = build_model(params.model(model), n_items)
            load_weights(network, paths.model(dataset, model, seed), "train", device)
            tables = {"output": _numbers(network.output.weight), "input": _numbers(network.input_weight)}
            for name, settings in quantizers.items():
                started = perf_counter()
                fitted = {table: fit_codecs(settings, vectors, n_items) for table, vectors in tables.items()}
                seconds.setdefault(name, []).append(round(perf_counter() - started, 2))
                for form in settings.forms:
                    quantized = {table: _quantize(tables[table], found[form]) for table, found in fitted.items()}
                    for what in TABLES:
                        row = ItemRow(model, name, form, what)
                        result = _evaluate(params, dataset, network, split, tables, quantized, row, seed)
                        results.setdefault(row.name, []).append(result)
                    target = codecs / row.users.name
                    target.mkdir(exist_ok=True)
                    for table, (codec, *_) in quantized.items():
                        codec.save(target / f"{seed}-{table}.npz")
                    print(
                        f"{row.users.name}, seed {seed}: {codec.bytes_per_vector} bytes per item and table", flush=True
                    )
        for name, of_seeds in results.items():
            write_results(of_seeds, folder / name)
        record["fit_seconds"] = seconds  # of both tables and all forms, for each seed
        record["microseconds"] = {name: microseconds_of(of_seeds) for name, of_seeds in results.items()}


def _evaluate(
    params: Params,
    dataset: str,
    network: AutoEncoder,
    split: Split,
    tables: dict[str, np.ndarray],
    quantized: dict[str, Quantized],
    row: ItemRow,
    seed: int,
) -> Result:
    """The row's metrics; its bytes are per item and its loss is that of items, not of users."""
    replaced = {table: found for table, found in quantized.items() if row.tables in (table, "both", "users-too")}
    changed = copy.deepcopy(network)
    for table, found in replaced.items():
        weight = changed.output.weight if table == "output" else changed.input_weight
        weight.data.copy_(torch.from_numpy(found.decoded))
    users: FittedCodec | Float32 = Float32()
    if row.tables == "users-too":
        path = paths.codecs(dataset, row.model) / row.users.name / f"{seed}.npz"
        users = load_codec(path, params.quantizer(row.quantizer), row.form)
    per_user = evaluate(changed, users, split.test, params.evaluation.batch_size)
    whole = sum(4 * vectors.shape[1] for table, vectors in tables.items() if table not in replaced)
    return Result(
        per_user.assign(seed=seed),
        no_code_usage().assign(seed=seed),
        bytes_per_user=whole + sum(found.codec.bytes_per_vector for found in replaced.values()),
        shared_bytes=sum(found.codec.shared_bytes for found in replaced.values()),
        variance_lost=fmean(found.lost for found in replaced.values()),
        errors=[],
        encode_us=sum(found.encode_us for found in replaced.values()),
        decode_us=sum(found.decode_us for found in replaced.values()),
    )


def _quantize(vectors: np.ndarray, codec: FittedCodec) -> Quantized:
    decoded = np.asarray(codec.decode(codec.encode(vectors)))
    return Quantized(codec, decoded, variance_lost(codec, vectors), *microseconds(codec, vectors[:MOST_VECTORS_TIMED]))


def _numbers(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().cpu().numpy().copy()


if __name__ == "__main__":
    run(quantize_items)
