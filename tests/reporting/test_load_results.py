"""Results from disk, and what is said where they are not as they should be."""

import json
import math
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.config.reader import read_params
from stages.evaluation.groups import group_column
from stages.interactions.protocol.description import describe
from stages.interactions.protocol.interactions import Counts
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.reporting.load_results import Protocol, load_results, warn_of_leftovers
from stages.reporting.results import RowResult
from stages.run import paths
from stages.run.errors import UserError
from tests.damage import DAMAGES, Damage, sealed
from tests.interactions.made_up import awkward_ratings, interactions_of


def test_every_row_of_params_yaml_is_loaded_in_its_order(results_on_disk: str) -> None:
    params = read_params()
    results = load_results(params, results_on_disk)
    assert [row.name for row in results.rows] == [row.name for row in params.rows()]
    assert list(results.metrics) == ["ndcg@100", "recall@20", "recall@50", "precision@20", "f1@20"]
    assert set(results.curves) == set(params.models)


def test_a_row_has_means_of_its_seeds_its_family_and_its_twins(results_on_disk: str) -> None:
    row = next(row for row in load_results(read_params(), results_on_disk).rows if row.name == "rq-vae-200-20b")
    folder = paths.evaluation(results_on_disk, "models", "rq-vae-200") / row.name
    per_user = pd.read_parquet(folder / "per_user.parquet")
    assert row.mean("recall@50") == pytest.approx(per_user["recall@50"].mean())
    assert len(row.per_user) == 10
    assert row.ndcg.shape == (3, 10)
    assert row.ndcg.mean(0) == pytest.approx(row.per_user["ndcg@100"])
    assert row.validation_ndcg == 0.25
    assert row.code_usage["perplexity"].tolist() == [201.0, 201.0]
    assert (row.family, row.base) == ("trained", "rq-vae-200")
    assert (row.float_twin, row.post_hoc_twin) == ("dae-200", "dae-200-rq-20b")


def test_what_is_served_is_beside_the_row_of_the_same_seed(results_on_disk: str) -> None:
    found = load_results(read_params(), results_on_disk)
    (row,) = (row for row in found.rows if row.name == "rq-vae-200-20b")
    assert found.served.keys() == {row.name}
    served = found.served[row.name]
    assert served.row_ndcg.tolist() == row.ndcg[0].tolist()
    assert served.ndcg["tables"].tolist() == [0.25] * 10
    assert served.ways.to_numpy().tolist() == [["dense", 1000, 1.0], ["tables", 5000, 0.99]]


def test_a_row_whose_codes_are_chosen_by_scores_has_its_twin_of_the_nearest_codes(results_on_disk: str) -> None:
    rows = {row.name: row for row in load_results(read_params(), results_on_disk).rows}
    guided = rows["rq-vae-200-5b-mixture"]
    assert (guided.encoder, guided.nearest_twin) == ("mixture", "rq-vae-200-5b")
    assert (guided.post_hoc_twin, guided.stored) == (
        "dae-200-rq-5b-mixture",
        "5 codes of 8 bits, chosen by scores and items",
    )
    assert (rows["rq-vae-200-5b"].encoder, rows["rq-vae-200-5b"].nearest_twin) == ("nearest", None)


def test_only_k_means_has_centroids(results_on_disk: str) -> None:
    rows = load_results(read_params(), results_on_disk).rows
    assert {row.name: row.centroids for row in rows if row.centroids is not None} == {
        f"dae-200-kmeans-k{size}": size for size in (256, 64, 16, 4)
    }


def test_items_have_their_share_of_what_they_share(results_on_disk: str) -> None:
    twin, *rows = load_results(read_params(), results_on_disk).item_rows
    assert (twin.name, twin.bytes_per_user, twin.stored) == ("dae-200", 1600, "both tables: float32")
    assert {row.bytes_per_user for row in rows} == {40 + 6400 / 64}
    assert {row.float_twin for row in rows} == {"dae-200"}
    assert len(rows) == 4


def test_no_field_of_a_row_holds_a_time() -> None:
    assert not [field.name for field in fields(RowResult) if field.name.endswith(("seconds", "_us"))]


@pytest.mark.parametrize(
    ("group", "model", "row"), [("models", "dae-200", "dae-200"), ("items", "dae-200", "dae-200-pq-40x5-both")]
)
def test_a_missing_evaluation_is_said_with_the_command_that_makes_it(
    results_on_disk: str, group: str, model: str, row: str
) -> None:
    shutil.rmtree(paths.evaluation(results_on_disk, group, model) / row)
    with pytest.raises(
        UserError, match=f"there is no evaluation of {row} at .*; run: dvc repro report@ml-latest-small"
    ):
        load_results(read_params(), results_on_disk)


RESULTS = {
    "split/protocol.json": "preprocess",
    "split/users.parquet": "preprocess",
    "split/items.parquet": "preprocess",
    "curves/dae-200/curve.csv": "train",
    "evaluation/references/ease/ease/stored.json": "evaluate",
    "evaluation/models/dae-200/dae-200/per_user.parquet": "evaluate",
    "evaluation/models/rq-vae-200/rq-vae-200-20b/code_usage.csv": "evaluate",
    "evaluation/quantized/dae-200/dae-200-pq-40x5/per_user.parquet": "evaluate-quantized",
    "evaluation/items/dae-200/dae-200-pq-40x5-both/stored.json": "quantize-items",
    "evaluation/refits/dae-200/test_users.parquet": "refit",
    "evaluation/refits/dae-200/epochs.json": "refit",
    "evaluation/budgets/rq-vae-200/test_users.parquet": "budget",
    "served/rq-vae-200-20b/serving.json": "evaluate-serving",
    "served/rq-vae-200-20b/per_user.parquet": "evaluate-serving",
}
"""Every kind of result → the stage that writes it."""


@pytest.mark.parametrize(("name", "stage"), RESULTS.items())
def test_a_missing_a_damaged_and_a_wrong_result_are_said(results_on_disk: str, name: str, stage: str) -> None:
    path = paths.DATA / results_on_disk / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{name} is not as the stage {stage} wrote it; remove it and run the stage"):
        load_results(read_params(), results_on_disk)
    path.write_text("[]")
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match=f"{name} .*; remove it and run the stage {stage} again"):
        load_results(read_params(), results_on_disk)
    path.unlink()
    with pytest.raises(UserError, match=f"there is no .*{name}; run the stage {stage} first"):
        load_results(read_params(), results_on_disk)


def change(path: Path, **values: object) -> None:
    """Of a JSON file's keys, or a table's columns."""
    if path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        return
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    table = table.assign(**cast("dict[str, Any]", values))
    table.to_csv(path, index=False) if path.suffix == ".csv" else table.to_parquet(path, index=False)


STORED, PER_USER = (f"evaluation/models/dae-200/dae-200/{name}" for name in ("stored.json", "per_user.parquet"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split/protocol.json", {"users": None}),
        ("split/protocol.json", {"users": "x"}),
        ("split/protocol.json", {"users": math.nan}),
        ("split/protocol.json", {"users_": 3}),
        ("split/protocol.json", {"items_in_train_sha256": 3}),
        (STORED, {"variance_lost": "x"}),
        (STORED, {"shared_bytes": math.nan}),
        (STORED, {"shared_bytes": None}),
        (STORED, {"metrics": ["ndcg@100"]}),
        (STORED, {"metrics": {"ndcg@100": 3}}),
        (STORED, {"fit_errors": ["x"]}),
        (PER_USER, {"ndcg@100": math.nan}),
        (PER_USER, {"fold_in": "x"}),
        (PER_USER, {"ndcg@100 of item group 2": "x"}),
        ("curves/dae-200/curve.csv", {"epoch": None}),
        ("curves/dae-200/curve.csv", {"loss": None}),
        ("evaluation/models/rq-vae-200/rq-vae-200-20b/code_usage.csv", {"dead": None}),
        ("evaluation/refits/dae-200/epochs.json", {"dae-200-pq-40x5": 3}),
        ("evaluation/refits/dae-200/epochs.json", {"another": [3]}),
        ("evaluation/refits/dae-200/test_users.parquet", {"row": "another"}),
        ("evaluation/budgets/rq-vae-200/test_users.parquet", {"ndcg": math.nan}),
        ("served/rq-vae-200-20b/serving.json", {"seed": "x"}),
        ("served/rq-vae-200-20b/serving.json", {"seed": 7}),
        ("served/rq-vae-200-20b/serving.json", {"ways": {"dense": 3}}),
        ("served/rq-vae-200-20b/per_user.parquet", {"tables": math.nan}),
    ],
)
def test_a_result_of_another_structure_is_said(results_on_disk: str, name: str, values: dict[str, object]) -> None:
    change(paths.DATA / results_on_disk / name, **values)
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match=r"(has no|does not hold|is of other) .*; remove it and run the stage .* again"):
        load_results(read_params(), results_on_disk)


TABLES = [name for name in RESULTS if name.endswith((".csv", ".parquet"))]


@pytest.mark.parametrize("name", [name for name in TABLES if "code_usage" not in name])
def test_a_result_without_lines_is_said(results_on_disk: str, name: str) -> None:
    path = paths.DATA / results_on_disk / name
    if path.suffix == ".csv":
        pd.read_csv(path)[:0].to_csv(path, index=False)
    else:
        pd.read_parquet(path)[:0].to_parquet(path, index=False)
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match=f"{name} has no (lines|column)"):
        load_results(read_params(), results_on_disk)


def test_a_result_lacks_no_column_of_item_groups(results_on_disk: str) -> None:
    path = paths.DATA / results_on_disk / PER_USER
    pd.read_parquet(path).drop(columns=group_column(3)).to_parquet(path, index=False)
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match="has no column ndcg@100 of item group 4 as it should be"):
        load_results(read_params(), results_on_disk)


def test_the_split_is_described_as_it_is_read() -> None:
    interactions = interactions_of(awkward_ratings(3))
    found = describe(Counts(0, 0, 0, 0), interactions, split_strong_generalization(interactions, 7, 0.2, 98765))
    assert list(Protocol.model_validate(found).model_dump().items()) == list(found.items())


@given(name=st.sampled_from(list(RESULTS)), damage=DAMAGES)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_that_changed_is_reported(name: str, damage: Damage, results_on_disk: str) -> None:
    path = paths.DATA / results_on_disk / name
    content = path.read_bytes()
    path.write_bytes(damage.of(content))
    try:
        with pytest.raises(UserError, match=f"{path} is not as the stage"):
            load_results(read_params(), results_on_disk)
    finally:
        path.write_bytes(content)


def test_measurements_of_two_rows_that_change_places_are_refused(results_on_disk: str) -> None:
    folder = paths.evaluation(results_on_disk, "quantized", "dae-200")
    (folder / "dae-200-rq-20b").rename(folder / "aside")
    (folder / "dae-200-rq-10b").rename(folder / "dae-200-rq-20b")
    (folder / "aside").rename(folder / "dae-200-rq-10b")
    with pytest.raises(UserError, match="is not as the stage evaluate-quantized wrote it"):
        load_results(read_params(), results_on_disk)


def test_rows_with_other_metrics_are_not_compared(results_on_disk: str) -> None:
    path = paths.evaluation(results_on_disk, "models", "dae-200") / "dae-200" / "stored.json"
    stored = json.loads(path.read_text())
    del stored["metrics"]["f1@20"]
    path.write_text(json.dumps(stored))
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match=r"dae-200 was evaluated by ndcg@100, .*, popularity by ndcg@100"):
        load_results(read_params(), results_on_disk)
    stored["metrics"] = {"recall@20": "Recall@20"}
    path.write_text(json.dumps(stored))
    sealed(paths.DATA / results_on_disk / "split")
    with pytest.raises(UserError, match="dae-200 was evaluated without ndcg@100"):
        load_results(read_params(), results_on_disk)


def test_leftovers_are_named(results_on_disk: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_leftovers(read_params(), results_on_disk)
    assert capsys.readouterr().out == ""
    left = [paths.evaluation(results_on_disk, "models", "gone"), paths.curves(results_on_disk, "gone")]
    left.append(paths.evaluation(results_on_disk, "items", "gone"))
    for path in left:
        path.mkdir()
    warn_of_leftovers(read_params(), results_on_disk)
    assert set(capsys.readouterr().out.splitlines()) == {
        f"warning: {path} belongs to no row of params.yaml and is left out; remove it" for path in left
    }
