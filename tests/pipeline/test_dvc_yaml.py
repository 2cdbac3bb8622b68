"""dvc.yaml: a stage depends on just the code that it imports, and an edit runs just what it can change."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.dependency import Dependency
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.assembly.sessions import DECISIVE_CODE
from stages.config.params import IN_NO_RESULT, TrainingSettings
from tests.pipeline.clone import Clone
from tests.pipeline.imports import ROOT, import_closure, is_bare

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PLUMBING = ("stages/__init__.py", "stages/config", "stages/run")
"""Imported by every stage and listed by none, as it decides no result: params.yaml's values do, which DVC tracks."""


def below(path: str) -> set[Path]:
    """The Python files of a file or folder that hold more than a docstring."""
    files = (ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path]
    return {file for file in files if not is_bare(file)}


def listed(stage: str) -> set[Path]:
    return {file for dep in STAGES[stage]["deps"] if dep.startswith("stages") for file in below(dep)}


def imported(stage: str) -> set[Path]:
    closure = import_closure(STAGES[stage]["cmd"].split()[2])
    plumbing = {file for path in PLUMBING for file in below(path)}
    return {file for file in closure if not is_bare(file)} - plumbing


def names(files: set[Path]) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in files}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_file_that_it_imports(stage: str) -> None:
    assert names(imported(stage) - listed(stage)) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_file_that_it_does_not_import(stage: str) -> None:
    assert names(listed(stage) - imported(stage)) == set()


def test_the_fingerprint_of_a_training_covers_all_code_that_decides_it() -> None:
    covered = {file for place in DECISIVE_CODE for file in below(f"stages/{place}")}
    of_given_vectors = {"stages/serving/ids.py", "stages/vectors/reading.py"}  # no training reads them
    assert names(listed("train") - covered) == {"stages/train.py", *of_given_vectors}


def test_no_stage_runs_again_for_where_or_in_how_many_parts_or_processes_work_is_done() -> None:
    tracked = {param for stage in STAGES.values() for param in stage.get("params", ())}
    for left_out in ("scale", *(f"training.{name}" for name in IN_NO_RESULT)):
        assert not [param for param in tracked if f"{left_out}.".startswith(f"{param}.")]
        assert not [param for param in tracked if param.startswith(f"{left_out}.")]


@pytest.mark.parametrize("stage", ["train", "export", "report"])
def test_a_stage_depends_on_every_setting_that_decides_a_training(stage: str) -> None:
    decisive = TrainingSettings.model_fields.keys() - IN_NO_RESULT
    assert {f"training.{name}" for name in decisive} <= set(STAGES[stage]["params"])


@pytest.mark.parametrize("block", ["budgets", "items", "quantized", "refits"])
def test_the_report_needs_no_folder_that_is_missing_where_a_block_has_no_entries(block: str) -> None:
    assert f"data/${{item.dataset}}/evaluation/{block}" not in STAGES["report"]["deps"]


# What an edit runs, but for what comes after it. Written by hand: the point is to see when it changes.
ROWS = {"evaluate", "evaluate-quantized"}
STORED = {"encode", "evaluate-serving"}
AFTER_TRAINING = {"quantize", "evaluate", "evaluate-quantized", "quantize-items", "refit", "budget", "export"}
RUN_BY_AN_EDIT = {
    "stages/assembly/decoder_refit.py": {"refit"},
    "stages/assembly/rows.py": ROWS,
    "stages/assembly/sessions.py": {"train", "refit"},
    "stages/assembly/studied.py": set(),
    "stages/assembly/varied_fit.py": set(),
    "stages/assembly/warm_start.py": {"train", "refit"},
    "stages/codebooks": {"train", *AFTER_TRAINING, "encode"},
    "stages/codecs": {"quantize", "evaluate-quantized", "quantize-items", "refit", "export"},
    "stages/commands": set(),
    "stages/config": set(),
    "stages/evaluation": {*ROWS, "quantize-items"},
    "stages/evaluation/groups.py": {*ROWS, "quantize-items", "report"},
    "stages/guided": {*ROWS, "encode"},
    "stages/search": {*ROWS, "encode"},
    "stages/guided/guide.py": {*ROWS, "export", *STORED},
    "stages/interactions/formats": {"preprocess"},
    "stages/interactions/protocol": {"preprocess"},
    "stages/interactions/sources": {"download"},
    "stages/interfaces": {"fit", "train", *AFTER_TRAINING},
    "stages/interfaces/batches.py": {"fit", "train", *AFTER_TRAINING, *STORED},
    "stages/interfaces/codec.py": {"fit", "train", *AFTER_TRAINING, *STORED},
    "stages/interfaces/matrix_files.py": {"preprocess", "fit", "train", *AFTER_TRAINING, *STORED, "report"},
    "stages/interfaces/recommender.py": {"fit", "train", *AFTER_TRAINING, *STORED},
    "stages/interfaces/split.py": {"preprocess", "fit", "train", *AFTER_TRAINING, *STORED},
    "stages/models": {"train", *AFTER_TRAINING},
    "stages/ranking": {"train", *ROWS, "quantize-items", "refit", "budget", "evaluate-serving"},
    "stages/ranking/top.py": {"train", *ROWS, "quantize-items", "refit", "budget", *STORED},
    "stages/references": {"fit", "evaluate"},
    "stages/reporting": {"report"},
    "stages/reporting/result_tables.py": {"report", "export"},
    "stages/run": set(),
    "stages/scale": {"preprocess"},
    "stages/serving": set(),
    "stages/serving/encoding": {"encode"},
    "stages/serving/encoding/histories.py": set(),
    "stages/serving/encoding/resumable.py": set(),
    "stages/serving/evaluation.py": {"evaluate-serving"},
    "stages/serving/export": {"export"},
    "stages/serving/ids.py": {"train", *STORED},
    "stages/serving/package": {"export", *STORED},
    "stages/serving/scoring": {"evaluate-serving"},
    "stages/serving/store": STORED,
    "stages/statistics": {"report"},
    "stages/statistics/activity.py": {"report", "budget"},
    "stages/statistics/bootstrap.py": {"report", "export"},
    "stages/training": {"train", "refit"},
    "stages/training/processes.py": {"train"},
    "stages/vectors": set(),
    "stages/vectors/reading.py": {"train"},
}  # fmt: skip
LIBRARY = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "stages").rglob("*/*.py") if not is_bare(file))


@pytest.fixture(scope="module")
def code(clone: Clone) -> Iterator[dict[str, tuple[Dependency, set[str]]]]:
    """What DVC knows of the code that the clone's stages depend on: by its path, one dependency, and the stages."""
    clone.repro()
    with contextlib.chdir(clone.folder), Repo() as repo:
        assert repo.status() == {}
        known: dict[str, tuple[Dependency, set[str]]] = {}
        for stage in repo.index.stages:
            for dep in stage.deps:
                if dep.def_path.startswith("stages"):
                    known.setdefault(dep.def_path, (dep, set()))[1].add(stage.name.partition("@")[0])
        yield known


@pytest.mark.parametrize("file", LIBRARY)
def test_an_edit_runs_just_what_the_table_says(
    clone: Clone, code: dict[str, tuple[Dependency, set[str]]], file: str
) -> None:
    place = max((place for place in RUN_BY_AN_EDIT if f"{file}/".startswith(f"{place}/")), key=len)
    above = [known for path, known in code.items() if f"{file}/".startswith(f"{path}/")]  # no other is touched
    path = clone.folder / file
    text = path.read_text()
    path.write_text(f"{text}# a word more\n")
    try:
        changed = [stages for dependency, stages in above if dependency.workspace_status()]
    finally:
        path.write_text(text)
    assert set().union(*changed) == RUN_BY_AN_EDIT[place]


def test_the_status_command_says_the_same_of_an_edit(clone: Clone) -> None:
    path = clone.folder / "stages/codecs/kmeans.py"
    text = path.read_text()
    path.write_text(f"{text}# a word more\n")
    changed = {name.partition("@")[0] for name in json.loads(clone.run("dvc", "status", "--json"))}
    path.write_text(text)
    assert changed == RUN_BY_AN_EDIT["stages/codecs"]
