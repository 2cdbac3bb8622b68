"""Results on disk, as the stages before the report leave them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.config.reader import read_params
from stages.config.rows import ItemRow, Row
from stages.evaluation.groups import group_column
from stages.reporting.load_results import Protocol
from stages.run import paths
from tests.damage import sealed
from tests.reporting.made_up import METRICS

DATASET = "ml-latest-small"
MODELS = ("dae-200", "dae-200-200-200", "pq-vae-200-200-40x5", "rq-vae-200")
PROTOCOL = {
    **{name: "ab" * 32 if name.endswith("_sha256") else 1 for name in Protocol.model_fields},
    "users": 40,
    "train_users": 30,
    "items_in_train": 64,
}
N_USERS = 10  # of the test
SERVED = "rq-vae-200-20b"


@pytest.fixture
def results_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a data set with results of every row of a short params.yaml, in the current directory."""
    _write_short_params(tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    params = read_params()
    for number, row in enumerate(params.rows()):
        group = "quantized" if row.quantizer else "references" if row.model in params.references else "models"
        _write_evaluation(
            paths.evaluation(DATASET, group, row.model) / row.name, row, number, params.seeds_of(row.model)
        )
    for number, item_row in enumerate(params.item_rows()):
        folder = paths.evaluation(DATASET, "items", item_row.model) / item_row.name
        _write_evaluation(folder, item_row, number, params.seeds)
    for model in params.models:
        _write_curves(paths.curves(DATASET, model), params.seeds)
    _write_split(paths.split(DATASET))
    _write_refits(paths.evaluation(DATASET, "refits", "dae-200"), "dae-200-pq-40x5", params.seeds)
    _write_budgets(paths.evaluation(DATASET, "budgets", "rq-vae-200"))
    _write_served(paths.served(DATASET) / SERVED)
    sealed(paths.DATA / DATASET / "split")  # one digests.json above all
    return DATASET


def _write_short_params(path: Path) -> None:
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["run"] = [DATASET]
    content["models"] = {name: content["models"][name] for name in MODELS}
    content["datasets"] = {DATASET: content["datasets"][DATASET] | {"models": {name: {} for name in MODELS}}}
    content["float_twins"] = {"pq-vae-200-200-40x5": "dae-200-200-200", "rq-vae-200": "dae-200"}
    content["quantizers"] = {name: content["quantizers"][name] for name in ("pq-40x5", "rq", "kmeans", "history")}
    content["quantized_models"] = {"dae-200": "all", "dae-200-200-200": ["pq-40x5"]}
    content["quantized_items"] = {"dae-200": ["pq-40x5"]}
    content["refits"] = {"dae-200": {"quantizers": ["pq-40x5"], "epochs": 10, "learning_rate": 3.0e-4}}
    content["budgets"] = {"rq-vae-200": [10]}
    content["serving"]["rows"] = [SERVED]
    content["studies"] = {"ablation": content["studies"]["ablation"]}
    content["report"]["bootstrap_resamples"] = 100
    yaml.dump(content, path)


def _write_evaluation(folder: Path, row: Row | ItemRow, number: int, seeds: list[int]) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(number)
    per_user = pd.concat(
        [
            pd.DataFrame(
                {
                    "user": np.arange(N_USERS),
                    "fold_in": np.arange(N_USERS) + 4,
                    "held_out": 2,
                    **{metric: generator.random(N_USERS) for metric in METRICS},
                    **{group_column(group): generator.random(N_USERS) for group in range(4)},
                    "seed": seed,
                }
            )
            for seed in seeds
        ]
    )
    if isinstance(row, Row):
        per_user["user_id"] = [f"user-{user}" for user in per_user["user"]]
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    has_codebooks = row.quantizer in ("pq-40x5", "rq") or row.model.endswith("40x5") or row.model == "rq-vae-200"
    usage = [
        {"codebook": codebook, "perplexity": 200.0 + seed, "dead": seed, "seed": seed}
        for seed in seeds
        for codebook in (1, 2)
        if has_codebooks
    ]
    pd.DataFrame(usage, columns=["codebook", "perplexity", "dead", "seed"]).to_csv(
        folder / "code_usage.csv", index=False
    )
    stored = {
        "validation_ndcg": 0.25,
        "bytes_per_user": 0.0 if row.model == "popularity" else 40.0,
        "shared_bytes": 6400,
        "variance_lost": None if row.quantizer == "history" or row.model == "ease" else 0.25,
        "spectrum": [] if row.quantizer else [0.6, 0.3, 0.1],
        "fit_errors": [2.0, 1.0] if row.quantizer == "kmeans" else [],
        "metrics": METRICS,
    }
    (folder / "stored.json").write_text(json.dumps(stored))


def _write_curves(folder: Path, seeds: list[int]) -> None:
    folder.mkdir(parents=True)
    curve = pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 4.0], "validation_ndcg": [0.1, 0.2]})
    pd.concat([curve.assign(seed=seed) for seed in seeds]).to_csv(folder / "curve.csv", index=False)


def _write_split(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "protocol.json").write_text(json.dumps(PROTOCOL))
    pd.DataFrame({"user": range(40), "interactions": range(5, 45)}).to_parquet(folder / "users.parquet")
    pd.DataFrame({"item": range(64), "interactions": range(1, 65), "title": "A title, | or so"}).to_parquet(
        folder / "items.parquet"
    )


def _write_refits(folder: Path, row: str, seeds: list[int]) -> None:
    folder.mkdir(parents=True)
    users = pd.DataFrame({"row": row, "user": range(N_USERS), "before": 0.25, "after": np.linspace(0, 1, N_USERS)})
    users.assign(seed=0).to_parquet(folder / "test_users.parquet")
    (folder / "epochs.json").write_text(json.dumps({row: seeds}))


def _write_served(folder: Path) -> None:
    folder.mkdir(parents=True)
    served = {
        "seed": 0, "code_bytes": 20, "store_bytes_per_user": 45.5, "users_without_code": 0,
        "ways": {"dense": {"memory_bytes": 1000, "overlap": 1.0}, "tables": {"memory_bytes": 5000, "overlap": 0.99}},
    }  # fmt: skip
    (folder / "serving.json").write_text(json.dumps(served))
    pd.DataFrame({"user": range(N_USERS), "dense": 0.5, "tables": 0.25}).to_parquet(folder / "per_user.parquet")


def _write_budgets(folder: Path) -> None:
    folder.mkdir(parents=True)
    users = np.arange(N_USERS)
    pd.DataFrame(
        {
            "budget": 10, "user": users, "seed": 0, "quarter": users % 4 + 1, "bytes": 8.25,
            "ndcg_flat": np.linspace(0, 1, N_USERS), "ndcg": np.linspace(0.1, 0.9, N_USERS),
        }
    ).to_parquet(folder / "test_users.parquet")  # fmt: skip
