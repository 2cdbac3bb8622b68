"""The pipeline as a user runs it, in a clone with a tiny made-up data set; and mistakes on the command line."""

import copy
import io
import json
import math
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.damage import sealed
from tests.pipeline.clone import NOBODY, Clone

MODELS = ["dae-8", "dae-2", "pq-vae-4x2", "rq-vae"]
BYTES = {
    "popularity": 0,
    "dae-8": 32,
    "dae-2-float32": 8,
    "dae-2-float16": 4,
    "pq-vae-4x2": 4,
    "rq-vae-3b": 3,
    "rq-vae-1b": 1,
    "dae-8-pq-4x2": 4,
    "dae-8-rq-3b": 3,
    "dae-8-rq-1b": 1,
    "dae-8-lsq-1b": 1,
    "dae-8-kmeans-k16": 1,
    "dae-8-kmeans-k4": 1,
    "dae-8-kmeans-k2": 1,
    "dae-8-tree": 1,
    "dae-8-scalar-float16": 16,
    "dae-8-scalar-8bit": 8,
    "dae-8-scalar-1bit": 1,
    "dae-8-pca-4b": 4,
    "dae-8-pca-2b": 2,
    "dae-8-history-8b": 8,
    "dae-8-history-4b": 4,
}


def test_a_run_goes_through_every_stage_once(clone: Clone) -> None:
    assert sorted(clone.first_run) == sorted(
        [
            "download@tiny",
            "preprocess@tiny",
            "fit@tiny",
            *(f"train@tiny-{model}" for model in MODELS),
            "quantize@tiny-dae-8",
            "evaluate@tiny",
            "evaluate-quantized@tiny-dae-8",
            "quantize-items@tiny-dae-8",
            "refit@tiny-dae-8",
            "budget@tiny-rq-vae",
            "export@tiny",
            "encode@tiny",
            "evaluate-serving@tiny",
            "report@tiny",
        ]
    )


def test_the_metrics_hold_every_row_with_its_bytes(clone: Clone) -> None:
    assert {name: row["bytes_per_user"] for name, row in clone.metrics().items()} == BYTES
    assert clone.metrics()["dae-8"]["ndcg@100"] > clone.metrics()["popularity"]["ndcg@100"]


def test_the_report_shows_its_caution_first_and_only_pictures_that_are_there(clone: Clone) -> None:
    folder = clone.folder / "reports/tiny"
    text = (folder / "report.md").read_text()
    assert text.splitlines()[2] == "> **Made up.**"
    links = re.findall(r"\]\(([^)]*)\)", text)
    pictures = re.findall(r'src(?:set)?="([^"]*)"', text)
    assert (len(links), len(pictures)) == (25, 2 * 6)
    assert [link for link in links + pictures if not (folder / link).is_file()] == []


def test_users_are_served_as_the_report_measured_them(clone: Clone) -> None:
    table = pd.read_csv(clone.folder / "reports/tiny/figures/serving.csv").set_index(["row", "way"])
    assert set(table.index) == {
        (row, way)
        for row in ("dae-8-pq-4x2", "rq-vae-1b")
        for way in ("dense", "tables, float32", "tables, int8", "approximate")
    }
    exact = table.drop("approximate", level="way")
    assert exact["users_that_differ"].tolist() == [0] * 6
    np.testing.assert_allclose(exact["ndcg"], exact["row_ndcg"], atol=1e-6)
    assert exact["overlap"].tolist() == [1] * 6


def test_what_the_store_holds_is_recommended_from(clone: Clone) -> None:
    row = ("--row", "dae-8-pq-4x2", "--top", "3")
    known = json.loads(clone.stage("commands.recommend", *row, "--user", "5", "--json"))
    assert known["notes"] == []
    new = json.loads(clone.stage("commands.recommend", *row, "--items", "2,4,6", "--json"))
    assert {one["item"] % 2 for one in new["items"]} == {0}  # of the same taste
    lists = clone.folder / "top.parquet"
    assert "of 330 users" in clone.stage("commands.recommend", *row, "--all", "--out", "top.parquet")
    assert pd.read_parquet(lists).set_index("user")["items"][5].tolist() == [one["item"] for one in known["items"]]
    lists.unlink()
    row_of_floats = clone.complaint("stages.commands.recommend", "--dataset", "tiny", "--row", "dae-8", "--user", "5")
    assert "params.yaml has no 'dae-8' under serving.rows; it has dae-8-pq-4x2, rq-vae-1b" in row_of_floats


def test_what_a_user_keeps_beside_the_report_stays(clone: Clone) -> None:
    notes = clone.folder / "reports/tiny/notes.md"
    notes.write_text("mine")
    clone.stage("report")
    assert notes.read_text() == "mine"
    notes.unlink()


def test_a_missing_result_is_said_by_its_file_and_the_old_report_stays(clone: Clone) -> None:
    result = clone.folder / "data/tiny/evaluation/models/dae-8/dae-8/stored.json"
    content = result.read_bytes()
    before = (clone.folder / "reports/tiny/report.md").read_bytes()
    result.unlink()
    complaint = clone.complaint("stages.report", "--dataset", "tiny")
    assert "there is no data/tiny/evaluation/models/dae-8/dae-8/stored.json; run the stage evaluate first" in complaint
    assert (clone.folder / "reports/tiny/report.md").read_bytes() == before
    result.write_bytes(content)


SHELL = ("env", "LC_ALL=C", "PYTHONUTF8=0", "PYTHONCOERCECLOCALE=0", "MPLBACKEND=nonsense")


def test_a_shell_without_utf_8_and_with_a_wrong_backend_gets_the_same_report(clone: Clone) -> None:
    folder = clone.folder / "reports/tiny"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.md"}
    clone.run(*SHELL, "python", "-m", "stages.report", "--dataset", "tiny")
    assert {path: path.read_bytes() for path in before} == before
    advice = clone.run(
        *SHELL, "python", "-m", "stages.commands.advise", "--dataset", "tiny", "--users", "5e7", "--gigabytes", "1"
    )
    assert "for 50,000,000 users\n" in advice


def test_a_library_that_does_not_fit_into_memory_is_said(clone: Clone) -> None:
    process = clone.start("bash", "-c", "ulimit -v 200000 && OPENBLAS_NUM_THREADS=1 exec python -m stages.train --help")
    assert process.communicate()[1].startswith("error: this machine is out of memory; ")
    assert process.returncode == 1


def test_a_second_run_does_nothing(clone: Clone) -> None:
    assert clone.repro() == []
    assert json.loads(clone.run("dvc", "status", "--json")) == {}


def test_a_changed_parameter_runs_only_what_depends_on_it_and_another_branch_runs_nothing(clone: Clone) -> None:
    clone.repro()
    clone.run("git", "checkout", "--quiet", "-b", "other")
    clone.params["models"]["pq-vae-4x2"]["learning_rate"] = 0.02
    clone.write_params()
    assert set(clone.repro()) == {
        "train@tiny-pq-vae-4x2",
        "evaluate@tiny",
        "export@tiny",  # ends in the same packages, so nothing after it runs
        "report@tiny",
    }
    parameters = json.loads(clone.run("dvc", "params", "diff", "--json"))
    assert parameters == {"params.yaml": {"models.pq-vae-4x2.learning_rate": {"old": 0.01, "new": 0.02, "diff": 0.01}}}
    metrics = "reports/tiny/metrics.json"
    changed = json.loads(clone.run("dvc", "metrics", "diff", "--json", "--targets", metrics))[metrics]
    assert changed
    assert {name.split(".")[1] for name in changed} == {"pq-vae-4x2"}
    clone.commit()
    clone.run("git", "checkout", "--quiet", "-")
    clone.params["models"]["pq-vae-4x2"]["learning_rate"] = 0.01
    assert clone.repro() == []  # the run cache has it


def test_what_a_data_set_changes_in_a_model_trains_that_one_alone(clone: Clone) -> None:
    clone.repro()
    clone.params["datasets"]["tiny"]["models"]["dae-2"] = {"learning_rate": 0.02, "epochs": 5}
    clone.write_params()
    assert set(clone.repro()) == {"train@tiny-dae-2", "evaluate@tiny", "export@tiny", "report@tiny"}
    assert len(pd.read_csv(clone.folder / "data/tiny/curves/dae-2/curve.csv")) == 2 * 5
    clone.run("git", "checkout", "--quiet", "--force", "HEAD", ".")
    clone.params["datasets"]["tiny"]["models"]["dae-2"] = {}
    clone.write_params()


def test_after_a_failure_the_report_is_there_and_checkout_brings_back_the_rest(clone: Clone) -> None:
    clone.repro()
    weights = clone.folder / "data/tiny/models/dae-8/0.pt"
    before = weights.read_bytes(), clone.metrics()
    text = (clone.folder / "params.yaml").read_text()
    (clone.folder / "params.yaml").write_text(text.replace("hidden:", "hiden:"))
    process = clone.start("dvc", "repro")
    _, errors = process.communicate()
    assert process.returncode != 0
    assert "models.dae-8.hiden: unknown key; did you mean 'hidden'?" in errors
    assert "Traceback" not in errors
    clone.write_params()
    clone.run("dvc", "checkout")
    assert (weights.read_bytes(), clone.metrics()) == before
    assert clone.repro() == []


def test_a_row_is_added_by_its_entry_alone(clone: Clone) -> None:
    clone.repro()
    clone.params["quantizers"]["pq-2x4"] = {"kind": "product", "chunks": 2, "rotation": False, "seed": 1234}
    clone.write_params()
    assert set(clone.repro()) == {
        "quantize@tiny-dae-8",
        "evaluate-quantized@tiny-dae-8",
        "quantize-items@tiny-dae-8",
        "refit@tiny-dae-8",
        "export@tiny",
        "report@tiny",
    }
    assert clone.metrics()["dae-8-pq-2x4"]["bytes_per_user"] == 2
    del clone.params["quantizers"]["pq-2x4"]
    clone.run("git", "checkout", "--quiet", "HEAD", ".")


def _written(folder: Path) -> dict[Path, int]:
    """When each file was written, ns."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("stage", "option", "name"),
    [
        ("train", "--model", "dae-8"),
        ("quantize", "--model", "dae-8"),
        ("commands.sweep", "--model", "dae-8"),
    ],
)
def test_more_centroids_than_train_users_are_said_before_any_work(
    clone: Clone, stage: str, option: str, name: str
) -> None:
    before = _written(clone.folder / "data/tiny")
    clone.params["quantizers"]["kmeans"]["codes"] = [65536, 4]
    clone.write_params()
    complaint = clone.complaint(f"stages.{stage}", "--dataset", "tiny", option, name)
    assert "quantizers.kmeans: 65,536 codes need as many train users, there are 290" in complaint
    assert _written(clone.folder / "data/tiny") == before
    clone.params["quantizers"]["kmeans"]["codes"] = [16, 4, 2]
    clone.write_params()


def test_a_split_that_is_too_small_for_a_studied_model_is_said_before_any_work(clone: Clone) -> None:
    before = _written(clone.folder / "data/tiny")
    clone.params["datasets"]["tiny"]["split"]["held_out_users"] = 60
    clone.write_params()
    clone.stage("preprocess")
    complaint = clone.complaint("stages.commands.study", "--dataset", "tiny", "--study", "ablation")
    assert "models.rq-vae: 256 codes need as many train users, there are 210" in complaint
    assert "quantizers" not in complaint  # they are of other models
    changed = {path for path, time in _written(clone.folder / "data/tiny").items() if before.get(path) != time}
    assert {path.relative_to(clone.folder / "data/tiny").parts[0] for path in changed} == {"split"}
    clone.params["datasets"]["tiny"]["split"]["held_out_users"] = 20
    clone.write_params()
    clone.stage("preprocess")


def test_plots_are_drawn_from_the_figures_data(clone: Clone) -> None:
    plots = json.loads(clone.run("dvc", "plots", "show", "--json"))
    assert "errors" not in plots
    assert {Path(name).name for name in plots["data"]} == {
        "frontier.csv",
        "curves.csv",
        "code_usage.csv",
        "codebook_size.csv",
        "by_activity.csv",
        "by_popularity.csv",
    }


def test_the_lock_and_the_report_stay_still_where_all_is_run_again(clone: Clone, tmp_path: Path) -> None:
    """In a fresh clone on the same machine every stage runs, and only the run facts change."""
    clone.repro()
    clone.run("git", "clone", "--quiet", str(clone.folder), str(tmp_path / "fresh"))
    fresh = copy.copy(clone)
    fresh.folder = tmp_path / "fresh"
    (fresh.folder / "data/sample").mkdir(parents=True, exist_ok=True)
    assert set(clone.first_run) - set(fresh.repro()) == {"report@tiny"}  # all that it depends on is as it was
    assert fresh.run("git", "status", "--short").split() == ["M", "reports/tiny/run.md"]
    fresh.stage("report")
    assert fresh.run("git", "status", "--short").split() == ["M", "reports/tiny/run.md"]


def test_an_experiment_changes_a_parameter_and_old_values_come_back_from_the_run_cache(clone: Clone) -> None:
    clone.repro()
    experiment = "dvc", "exp", "run", "report@tiny", "-S"
    trained = clone.run(*experiment, "models.pq-vae-4x2.learning_rate=0.03", "--name", "faster")
    assert "Running stage 'train@tiny-pq-vae-4x2'" in trained
    assert "faster" in clone.run("dvc", "exp", "show", "--csv")
    back = clone.run(*experiment, "models.pq-vae-4x2.learning_rate=0.01")
    assert re.findall(r"Running stage '(.*)'", back) == ["report@tiny"]
    compared = clone.stage("commands.compare", "HEAD", "faster")
    assert re.findall(r"^\| `([^`]*)` ", compared, flags=re.MULTILINE) == ["pq-vae-4x2"]
    assert set(re.findall("`([^`]*)` [0-9]", compared)) >= set(BYTES) - {"pq-vae-4x2"}
    clone.run("git", "checkout", "--quiet", "--force", "HEAD", ".")
    clone.write_params()
    assert clone.repro() == []


CHECKPOINT = "data/tiny/checkpoints/dae-8-0.pt"


def kill_after_checkpoint(clone: Clone, checkpoint: Path) -> None:
    checkpoint.unlink(missing_ok=True)
    process = clone.start("python", "-m", "stages.train", "--dataset", "tiny", "--model", "dae-8")
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()


def test_a_training_that_was_killed_goes_on_and_ends_in_the_same_weights(clone: Clone) -> None:
    clone.params["datasets"]["tiny"]["training"]["epochs"] = 300
    clone.write_params()
    weights, checkpoint = clone.folder / "data/tiny/models/dae-8/0.pt", clone.folder / CHECKPOINT
    clone.stage("train", "--model", "dae-8")
    unbroken = weights.read_bytes()
    weights.unlink()
    kill_after_checkpoint(clone, checkpoint)
    assert not weights.exists()
    assert "going on after epoch" in clone.stage("train", "--model", "dae-8")
    assert weights.read_bytes() == unbroken
    clone.params["datasets"]["tiny"]["training"]["epochs"] = 10
    clone.write_params()


def test_a_training_that_diverges_stops_at_once_and_keeps_its_last_good_checkpoint(clone: Clone) -> None:
    clone.params["datasets"]["tiny"]["training"]["epochs"] = 300
    clone.write_params()
    weights, checkpoint = clone.folder / "data/tiny/models/dae-8/0.pt", clone.folder / CHECKPOINT
    before = weights.read_bytes()
    kill_after_checkpoint(clone, checkpoint)
    import torch

    from stages.interfaces.weights import digest_of

    state = torch.load(checkpoint)
    state["training"]["optimizer"]["state"][0]["exp_avg"].fill_(math.inf)  # so the next step goes too far
    del state["digest"]
    torch.save(state | {"digest": digest_of(state)}, checkpoint)
    good = checkpoint.read_bytes()
    epoch = len(state["training"]["curve"]) + 1
    complaint = clone.complaint("stages.train", "--dataset", "tiny", "--model", "dae-8")
    assert re.search(rf"no longer finite in epoch {epoch}, step 2 of 6, at learning rate 0\.01; lower lea", complaint)
    assert checkpoint.read_bytes() == good
    assert weights.read_bytes() == before
    checkpoint.unlink()
    clone.params["datasets"]["tiny"]["training"]["epochs"] = 10
    clone.write_params()


def test_one_more_seed_trains_that_one_alone(clone: Clone) -> None:
    clone.stage("train", "--model", "dae-8")
    before = (clone.folder / "data/tiny/models/dae-8/0.pt").read_bytes()
    clone.params["seeds"] = [0, 1, 2]
    clone.write_params()
    printed = clone.stage("train", "--model", "dae-8")
    assert set(re.findall(r"dae-8-(\d).pt is finished", printed)) == {"0", "1"}
    assert set(re.findall(r"seed (\d)  epoch", printed)) == {"2"}
    assert (clone.folder / "data/tiny/models/dae-8/0.pt").read_bytes() == before
    clone.params["seeds"] = [0, 1]
    clone.write_params()


def test_a_catalogue_above_the_limit_is_trained_by_a_sample_of_its_items(clone: Clone) -> None:
    trained = clone.folder / "data/tiny/models/dae-8/0.pt"
    refits = sorted(clone.folder.glob("data/tiny/refits/dae-8/*/0.pt"))
    exact, exact_refits = trained.read_bytes(), [weights.read_bytes() for weights in refits]
    clone.params["training"]["sampled"] = {"above": 39, "items": 5}
    clone.write_params()
    clone.stage("refit", "--model", "dae-8")  # of the model that took all items
    assert [weights.read_bytes() for weights in refits] != exact_refits
    clone.stage("train", "--model", "dae-8")
    assert trained.read_bytes() != exact
    clone.params["training"]["sampled"]["above"] = 40
    clone.write_params()
    for name in ("train", "refit"):
        clone.stage(name, "--model", "dae-8")
    assert [trained.read_bytes(), *(weights.read_bytes() for weights in refits)] == [exact, *exact_refits]
    clone.params["training"]["sampled"] = {"above": 1000, "items": 100}
    clone.write_params()


def test_a_checkpoint_of_another_training_is_left(clone: Clone) -> None:
    checkpoint = clone.folder / CHECKPOINT
    import torch

    torch.save({"fingerprint": "of another", "training": {}}, checkpoint)
    assert "not going on from it" in clone.stage("train", "--model", "dae-8")


def test_a_checkpoint_cut_short_is_said_and_the_weights_stay(clone: Clone) -> None:
    weights = clone.folder / "data/tiny/models/dae-8/0.pt"
    checkpoint = clone.folder / CHECKPOINT
    checkpoint.write_bytes(weights.read_bytes()[:1000])
    before = weights.read_bytes()
    complaint = clone.complaint("stages.train", "--dataset", "tiny", "--model", "dae-8")
    assert "data/tiny/checkpoints/dae-8-0.pt is damaged or no checkpoint; remove it" in complaint
    assert weights.read_bytes() == before
    checkpoint.unlink()


def test_no_models_are_said_and_the_old_report_stays(clone: Clone) -> None:
    before = (clone.folder / "reports/tiny/report.md").read_bytes()
    blocks = "models", "float_twins", "quantized_models", "quantized_items", "refits", "budgets", "serving", "studies"
    kept = {name: clone.params[name] for name in blocks}
    clone.params |= {
        "models": {},
        "float_twins": {},
        "quantized_models": {},
        "quantized_items": {},
        "refits": {},
        "budgets": {},
        "serving": {**kept["serving"], "rows": []},
        "studies": {},
    }
    clone.write_params()
    assert "params.yaml has no models" in clone.complaint("stages.report", "--dataset", "tiny")
    assert (clone.folder / "reports/tiny/report.md").read_bytes() == before
    clone.params |= kept
    clone.write_params()


def test_a_study_ends_in_a_table_of_its_variants_and_trains_none_twice(clone: Clone) -> None:
    first = clone.stage("commands.study", "--study", "ablation")
    table = pd.read_csv(clone.folder / "reports/tiny/studies/ablation.csv")
    assert table[["variant", "stored"]].to_numpy().tolist() == [
        ["rq-vae, as it is", "3 bytes"],
        ["rq-vae, as it is", "1 bytes"],
        ["learns | *the items*", "3 bytes"],
        ["learns | *the items*", "1 bytes"],
    ]
    page = (clone.folder / "reports/tiny/studies/ablation.md").read_text()
    assert r"| learns \| \*the items\* |" in page
    assert "nan" not in page
    assert "epoch 10/10" in first
    assert "epoch" not in clone.stage("commands.study", "--study", "ablation")


def test_variants_of_a_fit_share_a_training_and_none_is_repeated(clone: Clone) -> None:
    variants = {"few | *vectors*": {"fit": {"points": 256}}, "2 epochs": {"epochs": 2, "fit": {"layer": "linear"}}}
    gap = {"model": "dae-8", "yardstick": "dae-8", "quantizers": ["pq-4x2"], "variants": variants}
    clone.params["studies"] = {**(studies := clone.params["studies"]), "gap": gap}
    clone.write_params()
    clone.stage("train", "--model", "dae-8")
    first = clone.stage("commands.study", "--study", "gap")
    folder = clone.folder / "reports/tiny/studies"
    written = [(folder / name).read_bytes() for name in ("gap.csv", "gap.md")]
    assert first.count("epoch 10/10") == 0  # the stage train has done it
    assert first.count("epoch 2/2") == 2  # seeds
    assert r"| few \| \*vectors\* |" in written[1].decode()
    table = pd.read_csv(folder / "gap.csv")
    names = [[name, how] for name in ("as it is", *variants) for how in ("float", "pq-4x2")]
    assert table[["variant", "stored"]].to_numpy().tolist() == names
    of_floats = table.loc[table["stored"] == "float", "ndcg"].tolist()
    assert of_floats[0] == of_floats[1] != of_floats[2]
    before = {path: path.stat().st_mtime_ns for path in clone.folder.glob("data/tiny/studies/*/*")}
    variants["one codebook"] = {"fit": {"shared": True}}
    clone.write_params()
    assert "epoch" not in clone.stage("commands.study", "--study", "gap").partition("|")[0]
    after = {path: path.stat().st_mtime_ns for path in clone.folder.glob("data/tiny/studies/*/*")}
    assert before.items() < after.items()
    assert len({path.parent for path in after.keys() - before.keys()}) == 2  # a fit for each seed
    shutil.rmtree(clone.folder / "data/tiny/studies")
    clone.params["studies"] = studies
    clone.write_params()


def test_a_damaged_result_of_a_study_is_said(clone: Clone) -> None:
    clone.stage("commands.study", "--study", "ablation")
    result = next((clone.folder / "data/tiny/studies").glob("*/result.npz"))
    content = result.read_bytes()
    result.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    complaint = clone.complaint("stages.commands.study", "--dataset", "tiny", "--study", "ablation")
    assert f"{result.relative_to(clone.folder)} is not as the stage study wrote it; remove it" in complaint
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    for flaw in ("x", np.inf, np.nan):
        np.savez(result, allow_pickle=False, **{**arrays, "seconds": np.asarray(flaw)})
        sealed(result)
        complaint = clone.complaint("stages.commands.study", "--dataset", "tiny", "--study", "ablation")
        assert f"{result.relative_to(clone.folder)} holds more than finite numbers; remove it" in complaint
    result.write_bytes(content)
    sealed(result)


def test_a_sweep_that_goes_on_ends_as_one_that_was_never_stopped(clone: Clone) -> None:
    clone.stage("commands.sweep", "--model", "dae-8")
    folder = clone.folder / "reports/tiny/sweeps/dae-8"
    unbroken = (folder / "trials.csv").read_bytes()
    assert len(unbroken.splitlines()) == 1 + 4
    shutil.rmtree(clone.folder / "data/tiny/sweeps/dae-8")
    clone.params["sweep"]["trials"] = 2
    clone.write_params()
    clone.stage("commands.sweep", "--model", "dae-8")
    clone.params["sweep"]["trials"] = 4
    clone.write_params()
    assert clone.stage("commands.sweep", "--model", "dae-8").startswith("trial 3 of 4")
    assert (folder / "trials.csv").read_bytes() == unbroken


def test_a_sweep_that_was_killed_goes_on_at_once_and_ends_as_one_that_was_not(clone: Clone) -> None:
    clone.params["sweep"]["epochs"] = [100, 200]  # so that it takes some seconds
    clone.write_params()
    clone.stage("commands.sweep", "--model", "dae-8")
    trials = clone.folder / "reports/tiny/sweeps/dae-8/trials.csv"
    unbroken = trials.read_bytes()
    shutil.rmtree(clone.folder / "data/tiny/sweeps/dae-8")
    process = clone.start("python", "-m", "stages.commands.sweep", "--dataset", "tiny", "--model", "dae-8")
    while not list(clone.folder.glob("data/tiny/sweeps/dae-8/[!.]*/trials.json")):  # the first trial has ended
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    second = clone.complaint("stages.commands.sweep", "--dataset", "tiny", "--model", "dae-8")
    assert f"data/tiny/sweeps/dae-8 is being written by process {process.pid} (" in second
    process.kill()
    process.wait()
    assert "trial 1 of 4" not in clone.stage("commands.sweep", "--model", "dae-8")
    assert trials.read_bytes() == unbroken
    clone.params["sweep"]["epochs"] = [5, 10]
    clone.write_params()


def test_a_sweep_of_other_ranges_begins_anew(clone: Clone) -> None:
    clone.stage("commands.sweep", "--model", "dae-8")
    clone.params["sweep"] |= {"trials": 1, "learning_rate": [1e-3, 0.1]}
    clone.write_params()
    assert clone.stage("commands.sweep", "--model", "dae-8").startswith("trial 1 of 1")
    clone.params["sweep"] |= {"trials": 4, "learning_rate": [1e-5, 0.1]}
    clone.write_params()


def test_a_sweeps_patch_puts_the_best_values_into_params_yaml(clone: Clone) -> None:
    clone.stage("commands.sweep", "--model", "dae-8")
    best = pd.read_csv(clone.folder / "reports/tiny/sweeps/dae-8/trials.csv").iloc[0]
    clone.run("git", "apply", "reports/tiny/sweeps/dae-8/params.patch")
    changed = YAML(typ="safe").load(clone.folder / "params.yaml")
    here = changed["datasets"]["tiny"]["models"]
    assert here["dae-8"] == pytest.approx({name: best[name] for name in ("learning_rate", "l2", "epochs")}, rel=0.05)
    assert here["dae-2"] == {}
    assert changed["models"] == clone.params["models"]
    clone.write_params()


def test_a_sweep_ends_in_the_same_values_where_its_values_were_accepted(clone: Clone) -> None:
    clone.stage("commands.sweep", "--model", "dae-8")
    trials = clone.folder / "reports/tiny/sweeps/dae-8/trials.csv"
    before = trials.read_bytes()
    clone.run("git", "apply", "reports/tiny/sweeps/dae-8/params.patch")
    shutil.rmtree(clone.folder / "data/tiny/sweeps/dae-8")
    clone.stage("commands.sweep", "--model", "dae-8")
    assert trials.read_bytes() == before
    clone.write_params()


def test_no_network_names_both_addresses_and_where_to_put_the_file(clone: Clone) -> None:
    complaint = clone.complaint("stages.download", "--dataset", "far").splitlines()
    assert complaint == [
        "error: no address gave the file:",
        f"  {NOBODY}: no connection",
        f"  {NOBODY}?mirror: no connection",
        "Get the file by hand, put it at data/far/raw/tiny.zip and run this again",
    ]


def test_an_archive_put_there_by_hand_is_taken_if_it_is_right(clone: Clone) -> None:
    target = clone.folder / "data/far/raw/tiny.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(clone.archive[:-100])
    assert "data/far/raw/tiny.zip is cut short" in clone.complaint("stages.download", "--dataset", "far")
    target.write_bytes(clone.archive)
    assert "already here and right" in clone.stage("download", dataset="far")
    target.unlink()


def test_wrong_params_stop_every_stage_before_anything_is_touched(clone: Clone) -> None:
    text = (clone.folder / "params.yaml").read_text()
    (clone.folder / "params.yaml").write_text(text.replace("held_out_share", "heldout_share"))
    before = (clone.folder / "data/tiny/split/protocol.json").read_bytes()
    for stage in ("download", "preprocess", "report"):
        complaint = clone.complaint(f"stages.{stage}", "--dataset", "tiny")
        assert "datasets.tiny.split.heldout_share: unknown key; did you mean 'held_out_share'?" in complaint
    assert (clone.folder / "data/tiny/split/protocol.json").read_bytes() == before
    clone.write_params()


def test_a_folder_that_cannot_be_written_is_said_and_the_old_file_stays(clone: Clone) -> None:
    curves = clone.folder / "data/tiny/curves"
    curves.rename(curves.with_name("aside"))
    curves.write_text("a file where a folder should be")
    complaint = clone.complaint("stages.train", "--dataset", "tiny", "--model", "dae-8")
    assert complaint.startswith("error: cannot write data/tiny/curves/dae-8: ")
    curves.unlink()
    curves.with_name("aside").rename(curves)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (
            ["stages.preprocess", "--dataset", "far"],
            "no ratings at data/far/raw/tiny.zip; run the stage download first",
        ),
        (
            ["stages.train", "--dataset", "far", "--model", "dae-8"],
            "there is no data/far/split/train.npz; run the stage preprocess first",
        ),
        (
            ["stages.train", "--dataset", "tiny", "--model", "dae-9"],
            "no 'dae-9' under models; it has dae-8, dae-2",
        ),
        (["stages.preprocess", "--dataset", "near"], "no 'near' under datasets; it has tiny, far"),
        (
            ["stages.quantize", "--dataset", "tiny", "--model", "dae-2"],
            "no 'dae-2' under quantized_models; it has dae-8",
        ),
        (["stages.evaluate_quantized", "--dataset", "tiny", "--model", "dae-2"], "no 'dae-2' under quantized_models"),
        (["stages.export", "--dataset", "far"], "there is no data/far/split/train.npz; run the stage preprocess first"),
        (
            ["stages.report", "--dataset", "far"],
            "no evaluation of popularity at data/far/evaluation/references/popularity/popularity; run",
        ),
    ],
)
def test_a_stage_run_too_early_or_by_a_wrong_name_says_so(clone: Clone, command: list[str], complaint: str) -> None:
    assert complaint in clone.complaint(*command)
