"""Spend a budget of bytes unevenly: longer residual codes for users with longer histories.

python -m stages.budget --dataset ml-latest-small --model rq-vae-200
"""

import json

import numpy as np
import pandas as pd

from stages.codebooks.residual import ResidualCodec
from stages.config.params import read_params
from stages.interactions.protocol.strong_generalization import HeldOutUsers
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.split import load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model, choose_device, describe, load_weights
from stages.ranking.evaluation import evaluate
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.records import recorded
from stages.statistics.activity import TIER_BYTES, allocate, quarter_bounds, quarters_of


def budget(dataset: Dataset, model: Model) -> None:
    """Choose lengths of the code by quarters of the validation users, and compare with one length on the test users.

    Writes test_users.parquet: budget, user, quarter, bytes, ndcg_flat, ndcg, means of seeds; and lengths.json.
    """
    params = read_params()
    sizes = params.budgets_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    validation, test = [], []
    with (
        recorded(paths.record(dataset, f"budget-{model}")) as record,
        paths.whole_folder(paths.budget(dataset, model)) as folder,
    ):
        record |= describe(device)
        for seed in params.seeds:
            network = build_model(params.model(model), split.train.shape[1])
            load_weights(network, paths.model(dataset, model, seed), "train", device)
            validation.append(_by_length(network, split.validation, params.evaluation.batch_size))
            test.append(_by_length(network, split.test, params.evaluation.batch_size))
        chosen_on, shown = (np.mean(of_seeds, axis=0) for of_seeds in (validation, test))
        lengths_of = [_histories(users) for users in (split.validation, split.test)]
        bounds = quarter_bounds(lengths_of[0])
        quarters = [quarters_of(lengths, bounds) for lengths in lengths_of]
        tables, lengths = [], {}
        for flat in sizes:
            chosen = allocate(chosen_on, quarters[0], flat - TIER_BYTES)
            lengths[flat] = chosen.tolist()
            kept = chosen[quarters[1]]
            tables.append(
                pd.DataFrame(
                    {
                        "budget": flat,
                        "user": np.arange(len(kept)),
                        "quarter": quarters[1] + 1,
                        "bytes": kept + TIER_BYTES,
                        "ndcg_flat": shown[:, flat - 1],
                        "ndcg": shown[np.arange(len(kept)), kept - 1],
                    }
                )
            )
            print(f"{flat} bytes on average: {', '.join(map(str, chosen))} by quarters, from the least active")
        pd.concat(tables, ignore_index=True).to_parquet(folder / "test_users.parquet", index=False)
        (folder / "lengths.json").write_text(
            json.dumps({"quartiles": bounds.tolist(), "bytes": lengths}, indent=2) + "\n"
        )


def _by_length(network: AutoEncoder, users: HeldOutUsers, batch_size: int) -> np.ndarray:
    """NDCG@100 float64 (n_users with something held out, longest code), by the bytes that are kept of the code."""
    codec = network.codec()
    assert isinstance(codec, ResidualCodec)  # params.yaml is checked for it
    columns = [
        evaluate(network, codec.prefix(n_bytes), users, batch_size)["ndcg@100"].to_numpy()
        for n_bytes in range(1, codec.bytes_per_vector + 1)
    ]
    return np.stack(columns, axis=1)


def _histories(users: HeldOutUsers) -> np.ndarray:
    """Numbers of fold-in items of the users with something held out."""
    scored = np.diff(users.held_out.indptr) > 0
    return np.diff(users.fold_in.indptr)[scored]


if __name__ == "__main__":
    run(budget)
