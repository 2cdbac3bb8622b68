"""Score rows of the report on the test users: a model as it is, or with its users quantized after training.

python -m stages.evaluate --dataset ml-latest-small --model dae-200
python -m stages.evaluate --dataset ml-latest-small --model dae-200-200-200 --quantizer pq-40x5
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from stages import paths
from stages.build import build_model, build_reference, choose_device, describe, in_form, load_codec, load_weights
from stages.command_line import Dataset, ModelOrReference, Quantizer, run
from stages.interactions.split import Split
from stages.interactions.storage import load_split
from stages.models.from_history import FromHistory
from stages.models.memory import keep_freed_memory
from stages.models.recommender import Recommender
from stages.params import Params, Row, read_params
from stages.quantizers.codebooks import CodebookCodec, code_usage
from stages.quantizers.codec import Codec, SomeHistory, stored_bytes
from stages.ranking.evaluation import METRICS, encode_users
from stages.ranking.evaluation import evaluate as evaluate_users
from stages.ranking.groups import quarters_of_interactions
from stages.records import recorded


def evaluate(dataset: Dataset, model: ModelOrReference, quantizer: Quantizer | None = None) -> None:
    """Write the metrics of every form that a model's users are stored in, of each of its trainings.

    For each row a folder with: per_user.parquet, metrics of each seed and test user; code_usage.csv; stored.json, bytes
    per user and bytes shared by all.
    """
    params = read_params()
    rows = params.rows_of(model, quantizer)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    with (
        recorded(paths.record(dataset, f"evaluate-{rows[0].base}")) as record,
        paths.whole_folder(paths.evaluation(dataset, rows[0].base)) as folder,
    ):
        record |= describe(device)
        results: dict[str, list[Result]] = {row.name: [] for row in rows}
        for seed in params.seeds_of(model):
            network, codec = _load(params, dataset, rows[0], seed, split.train.shape[1], device)
            for row in rows:
                stored = in_form(codec, row.form)
                results[row.name].append(_evaluate(network, stored, split, params.evaluation.batch_size, seed))
        for name, of_seeds in results.items():
            _write(folder / name, of_seeds)
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


def _load(
    params: Params, dataset: str, row: Row, seed: int, n_items: int, device: torch.device
) -> tuple[Recommender, Codec]:
    """The model of one training, and what stores its users."""
    if row.model in params.references:
        reference = build_reference(params.reference(row.model), n_items)
        load_weights(reference, paths.reference(dataset, row.model), "fit", device)
        return reference, reference.codec()
    network = build_model(params.model(row.model), n_items)
    load_weights(network, paths.model(dataset, row.model, seed), "train", device)
    if row.quantizer is None:
        return network, network.codec()
    codec = load_codec(paths.codecs(dataset, row.base) / f"{seed}.npz", params.quantizer(row.quantizer))
    return FromHistory(network) if isinstance(codec, SomeHistory) else network, codec


def _evaluate(network: Recommender, codec: Codec, split: Split, batch_size: int, seed: int) -> Result:
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
    return Result(per_user.assign(seed=seed), usage.assign(seed=seed), bytes_per_user, codec.shared_bytes)


def _write(folder: Path, results: list[Result]) -> None:
    folder.mkdir()
    per_user = pd.concat([result.per_user for result in results], ignore_index=True)
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    pd.concat([result.code_usage for result in results], ignore_index=True).to_csv(
        folder / "code_usage.csv", index=False
    )
    stored = {"bytes_per_user": results[0].bytes_per_user, "shared_bytes": results[0].shared_bytes}
    (folder / "stored.json").write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    run(evaluate)
