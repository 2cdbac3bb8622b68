"""Score rows of the report on the test users: a model as it is, or with its users quantized after training.

python -m stages.evaluate --dataset ml-latest-small --model dae-200
python -m stages.evaluate --dataset ml-latest-small --model dae-200 --quantized
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import torch
import typer

from stages import paths
from stages.build import build_model, build_reference, choose_device, describe, in_form, load_codec, load_weights
from stages.command_line import Dataset, ModelOrReference, run
from stages.interactions.split import Split
from stages.interactions.storage import load_split
from stages.models.from_history import FromHistory
from stages.models.memory import keep_freed_memory
from stages.models.recommender import Recommender
from stages.params import Params, Row, read_params
from stages.quantizers.codebooks import CodebookCodec, code_usage
from stages.quantizers.codec import Codec, stored_bytes
from stages.quantizers.errors import microseconds, variance_lost
from stages.quantizers.history import SomeHistory
from stages.quantizers.whole import KMeansCodec
from stages.ranking.evaluation import METRICS, encode_users
from stages.ranking.evaluation import evaluate as evaluate_users
from stages.ranking.groups import quarters_of_interactions
from stages.records import recorded

Quantized = Annotated[bool, typer.Option("--quantized", help="Its users quantized after training.")]
MOST_VECTORS_TIMED = 10_000


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
                results[row.name].append(_evaluate(network, codec, split, params.evaluation.batch_size, seed))
        for name, of_seeds in results.items():
            _write(folder / name, of_seeds)
        record["microseconds"] = {
            name: {
                "encode": round(median(result.encode_us for result in of_seeds), 3),
                "decode": round(median(result.decode_us for result in of_seeds), 3),
            }
            for name, of_seeds in results.items()
        }
    for name, of_seeds in results.items():
        users = pd.concat([result.per_user for result in of_seeds])
        means = "  ".join(f"{metric} {users[metric].mean():.4f}" for metric in METRICS)
        print(f"{name}: {of_seeds[0].bytes_per_user:,.1f} bytes per user  {means}")


class Result(NamedTuple):
    """Of one training, stored in one form."""

    per_user: pd.DataFrame
    code_usage: pd.DataFrame
    bytes_per_user: float
    shared_bytes: int
    variance_lost: float | None
    """Of the test users' embeddings; None where histories are stored."""
    errors: list[float]
    """Of k-means, before each iteration of its fit; else none."""
    encode_us: float
    """Per user."""
    decode_us: float


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


def _evaluate(network: Recommender, codec: Codec, split: Split, batch_size: int, seed: int) -> Result:
    if isinstance(codec, SomeHistory):
        network = FromHistory(network)
    quarters = quarters_of_interactions(split.train)
    per_user = evaluate_users(network, codec, split.test, batch_size, quarters)
    n_test = split.test.fold_in.shape[0]
    per_user.insert(0, "user_id", split.users[-n_test:][per_user["user"]])
    encoded = encode_users(network, codec, split.test.fold_in, batch_size)
    bytes_per_user = sum(stored_bytes(codes) for codes in encoded) / n_test
    usage = pd.DataFrame({"codebook": [], "perplexity": [], "dead": []})
    if isinstance(codec, CodebookCodec):
        codes = [np.asarray(codes) for codes in encode_users(network, codec, split.train, batch_size)]
        perplexity, dead = code_usage(np.concatenate(codes))
        usage = pd.DataFrame({"codebook": range(1, len(dead) + 1), "perplexity": perplexity, "dead": dead})
    embeddings = network.embed(split.test.fold_in)
    encode_us, decode_us = microseconds(codec, network.embed(split.train[:MOST_VECTORS_TIMED]))
    return Result(
        per_user.assign(seed=seed),
        usage.assign(seed=seed),
        bytes_per_user,
        codec.shared_bytes,
        variance_lost(codec, embeddings) if isinstance(embeddings, np.ndarray) else None,
        codec.errors.tolist() if isinstance(codec, KMeansCodec) else [],
        encode_us,
        decode_us,
    )


def _write(folder: Path, results: list[Result]) -> None:
    folder.mkdir()
    per_user = pd.concat([result.per_user for result in results], ignore_index=True)
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    pd.concat([result.code_usage for result in results], ignore_index=True).to_csv(
        folder / "code_usage.csv", index=False
    )
    lost = [result.variance_lost for result in results if result.variance_lost is not None]
    stored = {
        "bytes_per_user": results[0].bytes_per_user,
        "shared_bytes": results[0].shared_bytes,
        "variance_lost": fmean(lost) if lost else None,
        "kmeans_errors": results[0].errors,
    }
    (folder / "stored.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    run(evaluate)
