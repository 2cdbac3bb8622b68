"""Results from disk, and what is said where they are not as they should be."""

import json
import shutil
from dataclasses import fields

import pandas as pd
import pytest

from stages.config.reader import read_params
from stages.reporting.load_results import load_results, warn_of_leftovers
from stages.reporting.results import RowResult
from stages.run import paths
from stages.run.errors import UserError


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


@pytest.mark.parametrize("name", ["per_user.parquet", "stored.json"])
def test_a_damaged_result_is_said(results_on_disk: str, name: str) -> None:
    path = paths.evaluation(results_on_disk, "references", "ease") / "ease" / name
    path.write_text("{")
    with pytest.raises(UserError, match=f"{name} is missing or damaged; remove it, and let dvc repro make it again"):
        load_results(read_params(), results_on_disk)


def test_rows_with_other_metrics_are_not_compared(results_on_disk: str) -> None:
    path = paths.evaluation(results_on_disk, "models", "dae-200") / "dae-200" / "stored.json"
    stored = json.loads(path.read_text())
    del stored["metrics"]["f1@20"]
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"dae-200 was evaluated by ndcg@100, .*, popularity by ndcg@100"):
        load_results(read_params(), results_on_disk)
    stored["metrics"] = {"recall@20": "Recall@20"}
    path.write_text(json.dumps(stored))
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
