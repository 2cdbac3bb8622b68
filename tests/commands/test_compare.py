"""Two runs compared, row by row, from what DVC keeps of each."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dvc.repo import Repo

from stages.commands.compare import compare
from stages.config.reader import read_params
from stages.run import paths
from stages.run.digests import write_digests
from stages.run.errors import UserError
from stages.statistics.bootstrap import Bootstrap

DATASET = "ml-latest-small"
PIPELINE = f"""
stages:
  preprocess:
    cmd: nobody runs this
    outs:
      - data/{DATASET}/split
  evaluate:
    cmd: nobody runs this
    outs:
      - data/{DATASET}/evaluation/models
      - data/{DATASET}/evaluation/references
"""
SEEDS, N_USERS = [0, 1, 2], 30
NDCG = np.random.default_rng(0).uniform(0.2, 0.6, (len(SEEDS), N_USERS))
"""Of a row by seed and user: users differ by much more than runs do."""


class Project:
    """A repository of git and DVC, in the current directory, with results as the stages leave them."""

    def __init__(self) -> None:
        git("init", "--quiet", "--initial-branch", "main")
        git("config", "user.name", "T")
        git("config", "user.email", "t@example.org")
        Repo.init().close()
        Path("dvc.yaml").write_text(PIPELINE)
        Path(".gitignore").write_text("data/\n")

    def results(self, rows: dict[str, np.ndarray], seeds: list[int] = SEEDS, test_users: str = "these") -> None:
        """Write what a run leaves of these rows, float64 (n_seeds, n_users), and of one reference."""
        folder = paths.split(DATASET)
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("fold_in", "held_out"):
            (folder / f"test_{part}.npz").write_text(test_users)
        write_digests(folder, "split")
        for group, of_group in (("references", {"popularity": NDCG[:1]}), ("models", rows)):
            folder = paths.evaluations(DATASET, group)
            shutil.rmtree(folder, ignore_errors=True)
            for name, ndcg in of_group.items():
                table = {
                    "seed": np.repeat([0] if group == "references" else seeds, N_USERS),
                    "user": np.tile(np.arange(N_USERS), len(ndcg)),
                    "ndcg@100": ndcg.ravel(),
                }
                (folder / name / name).mkdir(parents=True)
                pd.DataFrame(table).to_parquet(folder / name / name / "per_user.parquet")
            write_digests(folder, group)

    def commit(self, name: str) -> None:
        """Let DVC keep the results, and give the commit a tag."""
        with Repo() as repo:
            repo.commit(force=True)
        git("add", "--all")
        git("commit", "--quiet", "--allow-empty", "-m", name)
        git("tag", name)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """With the tag `old`, of which on disk `better` is better and `same` is the same."""
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    project = Project()
    project.results({"better": NDCG, "same": NDCG})
    project.commit("old")
    project.results({"better": NDCG + 0.1, "same": NDCG})
    return project


@pytest.fixture
def told(project: Project, capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(project, capsys)


class Told:
    """What the command prints."""

    def __init__(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self.capsys = capsys

    def of(self, base: str, revision: str | None = None) -> str:
        self.capsys.readouterr()
        compare(DATASET, base, revision)
        return re.sub(" +", " ", self.capsys.readouterr().out)

    def row(self, name: str, base: str = "old", revision: str | None = None) -> list[str]:
        """The cells of a row in the table."""
        (line,) = (line for line in self.of(base, revision).splitlines() if line.startswith(f"| `{name}` |"))
        return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_differences_are_paired_by_user_and_seed_so_that_theirs_cancel(told: Told) -> None:
    mean = NDCG.mean()
    assert told.row("better") == [f"{mean:.4f}", f"{mean + 0.1:.4f}", "+0.1000 (+0.1000 to +0.1000)", "above"]


def test_the_interval_is_that_of_the_report(told: Told) -> None:
    changed = NDCG + np.random.default_rng(1).normal(0.01, 0.1, NDCG.shape)
    told.project.results({"better": changed})
    report = read_params().report
    gain = Bootstrap(report.bootstrap_resamples, report.bootstrap_seed).difference(changed, NDCG)
    assert gain.low < 0 < gain.high
    assert told.row("better")[2:] == [
        f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
        "not significant",
    ]


def test_a_row_that_lost_is_below(told: Told) -> None:
    told.project.results({"better": NDCG - 0.05})
    assert told.row("better")[2:] == ["-0.0500 (-0.0500 to -0.0500)", "below"]


def test_rows_without_a_difference_are_listed_with_their_mean(told: Told) -> None:
    assert (
        f"- The same for every user and seed: `popularity` {NDCG[:1].mean():.4f}, `same` {NDCG.mean():.4f}\n"
        in told.of("old")
    )


def test_rows_of_one_run_alone_are_listed(told: Told) -> None:
    told.project.results({"same": NDCG, "new": NDCG, "newer": NDCG})
    printed = told.of("old")
    assert "- Only in old: `better`\n- Only in the workspace: `new`, `newer`\n" in printed


def test_how_many_intervals_there_are_is_said_and_that_none_is_corrected(told: Told) -> None:
    told.project.results({"better": NDCG + 0.1, "same": NDCG * 1.01})
    assert (
        "Means over 30 test users and seeds 0, 1, 2. 2 intervals, from a bootstrap over users and seeds, paired by "
        "both; none corrected for their number; where nothing differs, at least one in twenty excludes 0.\n"
        in told.of("old")
    )


def test_a_run_is_the_same_as_itself(told: Told) -> None:
    printed = told.of("old", "old")
    assert "\n\nNo row differs.\n\nMeans over 30 test users and seeds 0, 1, 2.\n\n- The same" in printed


@pytest.mark.parametrize("kind", ["tag", "branch", "commit", "short commit", "relative", "experiment"])
def test_a_revision_is_whatever_git_and_dvc_know(told: Told, kind: str) -> None:
    told.project.commit("new")
    hash_of_new = git("rev-parse", "new")
    names = {
        "tag": "new",
        "branch": "main",
        "commit": hash_of_new,
        "short commit": hash_of_new[:8],
        "relative": "HEAD~0",
        "experiment": "tried",
    }
    if kind == "experiment":
        with Repo() as repo:
            repo.experiments.save(name="tried", force=True)
    told.project.results({"better": NDCG})
    assert told.row("better", "old", names[kind])[2] == "+0.1000 (+0.1000 to +0.1000)"


def test_what_is_not_on_disk_is_read_from_the_cache(told: Told) -> None:
    told.project.commit("new")
    shutil.rmtree("data")
    assert told.row("better")[3] == "above"


def test_what_is_not_in_the_cache_is_read_from_the_remote(told: Told, tmp_path_factory: pytest.TempPathFactory) -> None:
    told.project.commit("new")
    Path(".dvc/config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path_factory.mktemp('remote')}\n"
    )
    git("commit", "--quiet", "-am", "a remote")
    git("tag", "--force", "new")
    with Repo() as repo:
        repo.push()
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data")
    told.project.results({"better": NDCG})
    assert told.row("better", "new")[3] == "below"


def test_a_folder_that_belongs_to_no_row_is_left_out(told: Told) -> None:
    models = paths.evaluations(DATASET, "models")
    shutil.copytree(models, paths.evaluations(DATASET, "quantized") / "gone")
    shutil.copytree(models / "better", models / "leftover")
    assert "leftover" not in told.of("old")


def test_nothing_is_written(told: Told) -> None:
    def files() -> dict[Path, bytes]:
        here = [path for path in Path().rglob("*") if path.is_file() and ".dvc/tmp" not in path.as_posix()]
        return {path: path.read_bytes() for path in here}

    before = files()
    told.of("old")
    assert files() == before


def test_the_seeds_of_both_runs_are_compared_and_the_others_named(told: Told) -> None:
    told.project.results({"better": np.vstack([NDCG[1:] + 0.1, NDCG[:1]])}, seeds=[1, 2, 3])
    mean = NDCG[1:].mean()
    assert told.row("better")[:3] == [f"{mean:.4f}", f"{mean + 0.1:.4f}", "+0.1000 (+0.1000 to +0.1000)"]
    assert "and seeds 1, 2; seeds 0, 3, of one run alone, are left out." in told.of("old")


def refusal(base: str, revision: str | None = None) -> str:
    with pytest.raises(UserError) as refused:
        compare(DATASET, base, revision)
    return str(refused.value)


def test_runs_without_a_seed_in_common_are_refused(project: Project) -> None:
    project.results({"better": NDCG}, seeds=[3, 4, 5])
    assert refusal("old") == (
        "better has seeds 0, 1, 2 in old and 3, 4, 5 in the workspace, so that no training can be paired; compare runs "
        "with one of seeds in common"
    )


def test_runs_of_another_split_are_refused(project: Project) -> None:
    project.results({"better": NDCG}, test_users="others")
    assert refusal("old").startswith(
        "old and the workspace split the data otherwise, so that their test users can't be paired; compare"
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("revision", ["nowhere", "", "--all", "old:params.yaml", "old:stages"])
def test_a_revision_that_nobody_knows_is_refused(revision: str) -> None:
    assert f"{revision!r} is no branch, tag, commit or experiment here; see git log" in refusal(revision)
    assert f"{revision!r} is no branch, tag, commit or experiment here; see git log" in refusal("old", revision)


@pytest.mark.parametrize("lost", ["files", "folders"])
def test_results_that_are_not_here_are_said_with_how_to_get_them(project: Project, lost: str) -> None:
    for path in [path for path in Path(".dvc/cache/files").rglob("*") if path.is_file()]:
        if (path.suffix == ".dir") == (lost == "folders"):
            path.unlink()
    project.commit("new")
    assert refusal("old", "new") == (
        f"the results of old (data/{DATASET}/evaluation/models/digests.json) are not on disk, in DVC's cache or on a "
        "remote; run dvc push where they are and dvc fetch --all-commits here (of an experiment dvc exp push and dvc "
        f"exp pull), or check it out and run: dvc repro report@{DATASET}"
    )


def test_a_workspace_that_was_never_run_is_told_to_run(project: Project) -> None:
    project.commit("new")
    git("rm", "--quiet", "dvc.lock")
    shutil.rmtree("data")
    assert refusal("new") == f"the workspace has no results of {DATASET}; run: dvc repro report@{DATASET}"


@pytest.mark.usefixtures("project")
def test_a_revision_before_the_pipeline_is_refused() -> None:
    git("rm", "--quiet", "--cached", "-r", ".dvc")
    git("commit", "--quiet", "-m", "no DVC")
    assert refusal("HEAD") == "HEAD is no project of DVC; compare revisions that have a dvc.yaml"


def test_runs_without_a_row_in_common_are_refused(project: Project) -> None:
    shutil.rmtree("data")
    Path("dvc.yaml").write_text(PIPELINE.rpartition("      -")[0])
    project.results({"new": NDCG})
    assert refusal("old").startswith("old and the workspace have no row in common; compare runs of")


@pytest.mark.parametrize(
    ("file", "content"),
    [("split/digests.json", "{}"), ("split/digests.json", "["), ("evaluation/models/digests.json", "[]")],
)
def test_digests_that_are_none_are_said(project: Project, file: str, content: str) -> None:
    Path("data", DATASET, file).write_text(content)
    project.commit("new")
    assert refusal("old").startswith(f"data/{DATASET}/{file} of the workspace is not as its stage wrote it; remove it")
    assert refusal("new", "old").startswith(f"data/{DATASET}/{file} of new is not as its stage wrote it; remove it")


@pytest.mark.usefixtures("project")
def test_values_that_are_not_as_they_were_written_are_said() -> None:
    path = paths.evaluations(DATASET, "models") / "better/better/per_user.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal("old") == (
        f"{path} of the workspace is not as its stage wrote it; remove it, in DVC's cache if it is not on disk, then "
        f"run: dvc repro report@{DATASET}"
    )


@pytest.mark.usefixtures("project")
def test_a_run_that_was_measured_by_another_metric_is_refused() -> None:
    folder = paths.evaluations(DATASET, "models")
    path = folder / "better/better/per_user.parquet"
    pd.read_parquet(path).rename(columns={"ndcg@100": "ndcg@10"}).to_parquet(path)
    write_digests(folder, "models")
    assert refusal("old").startswith(f"{path} of the workspace has no ndcg@100, by which rows are compared")
