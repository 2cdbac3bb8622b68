"""What the stages before the report have kept, read with errors for people."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from stages.config.params import Params, Row
from stages.reporting.kinds import family_of, item_tables_in_words, stored_in_words, twins
from stages.reporting.results import METRICS, RowResult
from stages.run import paths
from stages.run.errors import UserError

POINTS_OF_A_TAIL = 200


def read_row(params: Params, dataset: str, row: Row) -> RowResult:
    """What the stages before kept of a row; UserError where that is missing or damaged."""
    of_model = paths.quantized_evaluation if row.quantizer else paths.evaluation
    folder = of_model(dataset, row.model) / row.name
    if not folder.is_dir():
        raise UserError(f"there is no evaluation of {row.name} at {folder}; run: dvc repro report@{dataset}")
    stored = read(folder / "stored.json", read_json)
    per_user = read(folder / "per_user.parquet", pd.read_parquet)
    usage = read(folder / "code_usage.csv", pd.read_csv)
    record = read(paths.record(dataset, f"evaluate-{'quantized-' if row.quantizer else ''}{row.model}"), read_json)
    fit_seconds = None
    if row.quantizer:
        fits = read(paths.record(dataset, f"quantize-{row.model}"), read_json)["fit_seconds"]
        fit_seconds = fmean(fits[row.quantizer])
    float_twin, post_hoc_twin = twins(params, row)
    return RowResult(
        name=row.name,
        family=family_of(params, row),
        stored=stored_in_words(params, row),
        float_twin=float_twin.name if float_twin else None,
        post_hoc_twin=post_hoc_twin.name if post_hoc_twin else None,
        **stored,
        fit_seconds=fit_seconds,
        encode_us=record["microseconds"][row.name]["encode"],
        decode_us=record["microseconds"][row.name]["decode"],
        per_user=per_user.drop(columns=["user_id", "seed"]).groupby("user", as_index=False).mean(),
        per_seed=per_user.groupby("seed")[list(METRICS)].mean(),
        code_usage=usage.groupby("codebook", as_index=False)[["perplexity", "dead"]].mean(),
    )


def read_items(params: Params, dataset: str) -> list[RowResult]:
    """Those whose item tables are quantized, and their float twins.

    Bytes are per item, of both tables, with the item's share of what is shared.
    """
    n_items = read(paths.split(dataset) / "protocol.json", read_json)["items_in_train"]
    rows = []
    for name in params.quantized_items:
        hidden = params.models[name].hidden
        floats = read_row(params, dataset, Row(name))
        rows.append(replace(floats, bytes_per_user=4 * (hidden[0] + hidden[-1]), stored="both tables: float32"))
    for row in params.item_rows():
        folder = paths.item_evaluation(dataset, row.model) / row.name
        stored = read(folder / "stored.json", read_json)
        per_user = read(folder / "per_user.parquet", pd.read_parquet)
        record = read(paths.record(dataset, f"quantize-items-{row.model}"), read_json)
        rows.append(
            RowResult(
                name=row.name,
                family=family_of(params, row.users),
                stored=item_tables_in_words(params, row),
                float_twin=row.model,
                post_hoc_twin=None,
                **(stored | {"bytes_per_user": stored["bytes_per_user"] + stored["shared_bytes"] / n_items}),
                fit_seconds=fmean(record["fit_seconds"][row.quantizer]),
                encode_us=record["microseconds"][row.name]["encode"],
                decode_us=record["microseconds"][row.name]["decode"],
                per_user=per_user.drop(columns="seed").groupby("user", as_index=False).mean(),
                per_seed=per_user.groupby("seed")[list(METRICS)].mean(),
                code_usage=pd.DataFrame(),
            )
        )
    return rows


def read_distribution(dataset: str) -> pd.DataFrame:
    """Interactions per user and per item by rank, at ranks evenly spaced on a log scale."""
    tails = []
    for of in ("user", "item"):
        counts = read(paths.split(dataset) / f"{of}s.parquet", pd.read_parquet)["interactions"]
        ordered = counts.sort_values(ascending=False, ignore_index=True)
        ranks = np.unique(np.geomspace(1, len(ordered), POINTS_OF_A_TAIL).astype(int))
        tails.append(pd.DataFrame({"of": of, "rank": ranks, "interactions": ordered.to_numpy()[ranks - 1]}))
    return pd.concat(tails, ignore_index=True)


def records_of(dataset: str, params: Params) -> list[Path]:
    """The records of the stages before, in the order of the pipeline."""
    names = ["download", "preprocess"]
    names += [f"fit-{name}" for name in params.references]
    names += [f"train-{name}" for name in params.models]
    names += [f"quantize-{name}" for name in params.quantized_models]
    names += [f"evaluate-{name}" for name in [*params.references, *params.models]]
    names += [f"evaluate-quantized-{name}" for name in params.quantized_models]
    names += [f"quantize-items-{name}" for name in params.quantized_items]
    names += [f"refit-{name}" for name in params.refits]
    names += [f"budget-{name}" for name in params.budgets]
    return [paths.record(dataset, name) for name in dict.fromkeys(names)]


def warn_of_leftovers(dataset: str, params: Params) -> None:
    """DVC keeps the outputs of a stage that is no more, and counts them as dependencies of this one."""
    expected = {paths.evaluation(dataset, name) for name in [*params.references, *params.models]}
    expected |= {paths.quantized_evaluation(dataset, name) for name in params.quantized_models}
    expected |= {paths.item_evaluation(dataset, name) for name in params.quantized_items}
    expected |= {paths.refits(dataset, name) for name in params.refits}
    expected |= {paths.budget(dataset, name) for name in params.budgets}
    expected |= {paths.curves(dataset, name) for name in params.models}
    expected |= set(records_of(dataset, params))
    for folder in sorted({path.parent for path in expected}):
        for path in sorted(set(folder.glob("[!.]*")) - expected):
            print(f"warning: {path} belongs to no row of params.yaml and is left out; remove it")


def read(path: Path, read: Callable[[Path], Any]) -> Any:
    """What `read` makes of a result of an earlier stage."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged; remove it, and let dvc repro make it again") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    return json.loads(path.read_text())
