"""Distribute a budget of bytes unevenly: longer residual codes for users with longer histories.

python -m stages.budget --dataset ml-latest-small --model rq-vae-200
"""

import numpy as np
import pandas as pd

from stages.codebooks.residual import ResidualCodec
from stages.config.reader import read_params
from stages.interfaces.split import HeldOutUsers, load_split
from stages.models.autoencoder import AutoEncoder
from stages.models.build import load_model
from stages.models.device import choose_device, describe
from stages.ranking.evaluation import ndcg_of_users
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.json_files import write_json
from stages.run.memory import keep_freed_memory
from stages.statistics.activity import TIER_BYTES, allocate, quarter_bounds, quarters_of


def budget(dataset: Dataset, model: Model) -> None:
    """Choose a code length for each quarter of the validation users, and compare with one length on the test users.

    Writes test_users.parquet, with columns budget, user, seed, quarter, bytes, ndcg_flat and ndcg, and lengths.json.
    """
    params = read_params()
    sizes = params.budgets_of(model)
    split = load_split(paths.split(dataset))
    device = choose_device(params.device)
    keep_freed_memory()
    validation, test = [], []
    with (
        recorded(dataset, f"budget-{model}") as facts,
        whole_folder(paths.evaluation(dataset, "budgets", model)) as folder,
    ):
        facts |= describe(device)
        for seed in params.seeds:
            network = load_model(params.trained(model), split.train.shape[1], paths.model(dataset, model, seed), device)
            validation.append(_by_length(network, split.validation, params.evaluation.batch_size))
            test.append(_by_length(network, split.test, params.evaluation.batch_size))
        chosen_on = np.mean(validation, axis=0)
        lengths_of = [_histories(users) for users in (split.validation, split.test)]
        bounds = quarter_bounds(lengths_of[0])
        quarters = [quarters_of(lengths, bounds) for lengths in lengths_of]
        tables, lengths = [], {}
        for flat in sizes:
            chosen = allocate(chosen_on, quarters[0], flat - TIER_BYTES)
            lengths[flat] = chosen.tolist()
            n_bytes = chosen[quarters[1]]  # for each test user
            tables += [
                pd.DataFrame(
                    {
                        "budget": flat,
                        "user": np.arange(len(n_bytes)),
                        "seed": seed,
                        "quarter": quarters[1] + 1,
                        "bytes": n_bytes + TIER_BYTES,
                        "ndcg_flat": ndcg[:, flat - 1],
                        "ndcg": ndcg[np.arange(len(n_bytes)), n_bytes - 1],
                    }
                )
                for seed, ndcg in zip(params.seeds, test, strict=True)
            ]
            print(f"{flat} bytes on average: {', '.join(map(str, chosen))} by quarters, from the least active")
        pd.concat(tables, ignore_index=True).to_parquet(folder / "test_users.parquet", index=False)
        write_json({"quartiles": bounds.tolist(), "bytes": lengths}, folder / "lengths.json")


def _by_length(network: AutoEncoder, users: HeldOutUsers, batch_size: int) -> np.ndarray:
    """NDCG@100 for each length of the prefix, float64 (n_users with held-out interactions, longest code)."""
    codec = network.codec()
    assert isinstance(codec, ResidualCodec)  # checked when params.yaml is read
    columns = [
        ndcg_of_users(network, codec.prefix(n_bytes), users, batch_size)
        for n_bytes in range(1, codec.bytes_per_vector + 1)
    ]
    return np.stack(columns, axis=1)


def _histories(users: HeldOutUsers) -> np.ndarray:
    """Number of fold-in items of each user with held-out interactions, int64."""
    return np.diff(users.fold_in.indptr)[users.scored()]


if __name__ == "__main__":
    run(budget)
