"""Load what the stages before the report have left, with errors for people."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from stages.config.dataset import Digest
from stages.config.params import Params
from stages.config.quantizer import KMeansSettings
from stages.config.rows import ItemRow, Row
from stages.config.strict import Strict
from stages.evaluation.groups import GROUPS, group_column
from stages.reporting.experiment import bytes_per_item
from stages.reporting.result_tables import anything, integers, numbers, numbers_or_nan, read_csv, read_parquet
from stages.reporting.results import NDCG, Results, RowResult, Served, by_seed
from stages.run import paths
from stages.run.digests import DIGESTS, damaged
from stages.run.errors import UserError
from stages.run.json_files import read_json
from stages.statistics.bootstrap import Bootstrap

STAGES = {
    "references": "evaluate",
    "models": "evaluate",
    "quantized": "evaluate-quantized",
    "items": "quantize-items",
    "refits": "refit",
    "budgets": "budget",
}
"""Group of measurements → the stage that makes them."""
CODE_USAGE = {"codebook": numbers, "perplexity": numbers, "dead": numbers}
CURVE = {"seed": integers, "epoch": integers, "loss": numbers, "validation_ndcg": numbers}
USERS = {"interactions": integers}
ITEMS = {"item": anything, "interactions": integers}
REFIT = {"row": anything, "user": integers, "seed": integers, "before": numbers, "after": numbers}
BUDGET = {
    **dict.fromkeys(("budget", "user", "seed", "quarter"), integers),
    **dict.fromkeys(("bytes", "ndcg_flat", "ndcg"), numbers),
}


class Protocol(Strict):
    """protocol.json, as `stages.interactions.protocol.description.describe` makes it."""

    incomplete_rows: int
    ratings: int
    superseded_ratings: int
    filter_rounds: int
    interactions: int
    users: int
    items: int
    train_users: int
    train_interactions: int
    items_in_train: int
    interactions_with_unknown_items: int
    validation_users_scored: int
    test_users_scored: int
    validation_held_out_pairs: int
    test_held_out_pairs: int
    items_in_train_sha256: Digest
    validation_held_out_pairs_sha256: Digest
    test_held_out_pairs_sha256: Digest


class Stored(Strict):
    """stored.json, as `stages.evaluation.measurements.write_measurements` leaves it."""

    validation_ndcg: float | None
    bytes_per_user: float
    shared_bytes: int
    variance_lost: float | None
    fit_errors: list[float]
    spectrum: list[float]
    metrics: dict[str, str]


class Way(Strict):
    """What a way of scoring takes and gives."""

    memory_bytes: int
    overlap: float


class Serving(Strict):
    """serving.json, as `stages.evaluate_serving` leaves it."""

    seed: int
    code_bytes: int
    store_bytes_per_user: float
    users_without_code: int
    ways: dict[str, Way]


def load_results(params: Params, dataset: str) -> Results:
    """The results of every row in params.yaml.

    Raises
    ------
    UserError
        where a result is missing or damaged, or where rows were not evaluated by the same metrics.
    """
    split = paths.split(dataset)
    rows = [_load_row(params, dataset, row) for row in params.rows()]
    protocol = read_json(split / "protocol.json", "preprocess", Protocol)
    item_rows = _load_item_rows(params, dataset, {row.name: row for row in rows}, protocol.items_in_train)
    _check_metrics([*rows, *item_rows])
    refits = {name: _load_refit(paths.evaluation(dataset, "refits", name)) for name in params.refits}
    return Results(
        rows=rows,
        item_rows=item_rows,
        curves={
            name: read_csv(paths.curves(dataset, name) / "curve.csv", "train", CURVE)
            for name in params.models
            if params.is_trained(name)
        },
        protocol=protocol.model_dump(),
        users=read_parquet(split / "users.parquet", "preprocess", USERS),
        items=read_parquet(split / "items.parquet", "preprocess", ITEMS),
        bootstrap=Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed),
        refits={name: users for name, (users, _) in refits.items()},
        refit_epochs={row: epochs for _, of_rows in refits.values() for row, epochs in of_rows.items()},
        budgets={
            name: read_parquet(paths.evaluation(dataset, "budgets", name) / "test_users.parquet", "budget", BUDGET)
            for name in params.budgets
        },
        served={row.name: _load_served(params, dataset, row) for row in rows if row.name in params.serving.rows},
    )


def warn_of_leftovers(params: Params, dataset: str) -> None:
    """Print what belongs to no row: DVC keeps the outputs of a stage that is no more, and passes them to the report."""
    groups: dict[str, Iterable[str]] = {
        "references": params.references,
        "models": params.models,
        "quantized": params.quantized_models,
        "items": params.quantized_items,
        "refits": params.refits,
        "budgets": params.budgets,
    }
    expected = {paths.evaluation(dataset, group, name) for group, names in groups.items() for name in names}
    expected |= {paths.curves(dataset, name) for name in params.models}
    folders = {paths.evaluation(dataset, group, "name").parent for group in groups}
    folders |= {path.parent for path in expected}
    for folder in sorted(folders):
        for path in sorted(set(folder.glob("[!.]*")) - expected - {folder / DIGESTS}):
            print(f"warning: {path} belongs to no row of params.yaml and is left out; remove it")


def _check_metrics(rows: list[RowResult]) -> None:
    """UserError where rows were not evaluated by the same metrics, in the same order."""
    first = rows[0]
    for row in rows:
        if NDCG not in row.metrics:
            raise UserError(f"{row.name} was evaluated without {NDCG}, by which the report compares rows")
        if list(row.metrics.items()) != list(first.metrics.items()):
            raise UserError(
                f"{row.name} was evaluated by {', '.join(row.metrics)}, {first.name} by {', '.join(first.metrics)}; "
                "remove the evaluation of one, and let dvc repro make it again"
            )


def _load_refit(folder: Path) -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """The users of all refitted rows, and the epoch that was kept of each."""
    users = read_parquet(folder / "test_users.parquet", "refit", REFIT)
    epochs = read_json(folder / "epochs.json", "refit", dict[str, list[int]])
    if epochs.keys() != set(users["row"]):
        raise damaged(folder / "epochs.json", "is of other rows than test_users.parquet", "refit")
    return users, epochs


def _load_served(params: Params, dataset: str, row: RowResult) -> Served:
    folder, stage = paths.served(dataset) / row.name, "evaluate-serving"
    served = read_json(folder / "serving.json", stage, Serving)
    per_user = read_parquet(
        folder / "per_user.parquet", stage, {"user": integers, **dict.fromkeys(served.ways, numbers)}
    )
    if served.seed not in params.seeds or len(per_user) != row.ndcg.shape[1]:
        raise damaged(folder, f"is of other users than {row.name}, or of another training", stage)
    return Served(
        seed=served.seed,
        code_bytes=served.code_bytes,
        store_bytes_per_user=served.store_bytes_per_user,
        users_without_code=served.users_without_code,
        ways=pd.DataFrame(
            [(name, way.memory_bytes, way.overlap) for name, way in served.ways.items()],
            columns=["way", "memory_bytes", "overlap"],
        ),
        ndcg={way: per_user[way].to_numpy() for way in served.ways},
        row_ndcg=row.ndcg[sorted(params.seeds).index(served.seed)],
    )


def _load_row(params: Params, dataset: str, row: Row) -> RowResult:
    float_twin, post_hoc_twin, plain_twin = (
        twin.name if twin else None
        for twin in (params.float_twin_of(row), params.post_hoc_twin_of(row), params.plain_twin_of(row))
    )
    group = "quantized" if row.quantizer else "references" if row.model in params.references else "models"
    loaded = _load_evaluation(
        dataset,
        group,
        row,
        base=row.base,
        family=params.family_of(row),
        stored=params.stored_by(row),
        float_twin=float_twin,
        post_hoc_twin=post_hoc_twin,
        centroids=_centroids(params, row),
    )
    nearest_twin = None if row.encoder == "nearest" else row.nearest.name
    return replace(loaded, encoder=row.encoder, nearest_twin=nearest_twin, plain_twin=plain_twin)


def _load_item_rows(params: Params, dataset: str, rows: dict[str, RowResult], n_items: int) -> list[RowResult]:
    """Those whose item tables are quantized, and before them their float twins."""
    twins = {name: params.rows_of(name)[0].name for name in params.quantized_items}
    loaded = [
        replace(rows[twin], bytes_per_user=bytes_per_item(params, name), stored="both tables: float32")
        for name, twin in twins.items()
    ]
    for row in params.item_rows():
        result = _load_evaluation(
            dataset,
            "items",
            row,
            base=row.name,
            family=params.family_of(row.users),
            stored=params.stored_by_items(row),
            float_twin=twins[row.model],
            post_hoc_twin=None,
            centroids=None,
        )
        loaded.append(replace(result, bytes_per_user=result.bytes_per_user + result.shared_bytes / n_items))
    return loaded


def _load_evaluation(
    dataset: str,
    group: str,
    row: Row | ItemRow,
    base: str,
    family: str,
    stored: str,
    float_twin: str | None,
    post_hoc_twin: str | None,
    centroids: int | None,
) -> RowResult:
    folder = paths.evaluation(dataset, group, row.model) / row.name
    if not folder.is_dir():
        raise UserError(f"there is no evaluation of {row.name} at {folder}; run: dvc repro report@{dataset}")
    measured = read_json(folder / "stored.json", STAGES[group], Stored)
    columns = dict.fromkeys(("user", "seed", "fold_in"), integers) | dict.fromkeys(measured.metrics, numbers)
    if group != "items":
        columns |= dict.fromkeys(map(group_column, range(GROUPS)), numbers_or_nan)
    per_user = read_parquet(folder / "per_user.parquet", STAGES[group], columns)[list(columns)]
    usage = read_csv(folder / "code_usage.csv", STAGES[group], CODE_USAGE, may_be_empty=True)
    return RowResult(
        name=row.name,
        base=base,
        family=family,
        stored=stored,
        float_twin=float_twin,
        post_hoc_twin=post_hoc_twin,
        bytes_per_user=measured.bytes_per_user,
        shared_bytes=measured.shared_bytes,
        variance_lost=measured.variance_lost,
        fit_errors=measured.fit_errors,
        spectrum=measured.spectrum,
        metrics=measured.metrics,
        centroids=centroids,
        per_user=per_user.drop(columns="seed").groupby("user", as_index=False).mean(),
        ndcg=by_seed(per_user, NDCG) if NDCG in per_user else np.empty((0, 0)),
        validation_ndcg=measured.validation_ndcg,
        code_usage=usage.groupby("codebook", as_index=False)[["perplexity", "dead"]].mean(),
    )


def _centroids(params: Params, row: Row) -> int | None:
    """Of a row of whole-vector k-means."""
    settings = params.quantizer(row.quantizer) if row.quantizer else None
    if not isinstance(settings, KMeansSettings):
        return None
    return dict(zip(settings.variants, settings.codes, strict=True))[row.variant]
