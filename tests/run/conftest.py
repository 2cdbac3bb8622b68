"""A small project whose stages are real processes that wait to be told to go on."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

STAGE = '''
"""Writes a folder, in the middle of which it waits."""
import sys, time
from pathlib import Path
from stages import helper
from stages.config.reader import read_params
from stages.run.command_line import Dataset, Model, run
from stages.run.facts import recorded
from stages.run.files import whole_folder

def pause(name):
    Path(f"{name} is reached").touch()
    while not Path("go").exists():
        time.sleep(0.01)

if Path("wait at import").exists():
    pause("import")

def slow_stage(dataset: Dataset, model: Model) -> None:
    rate = read_params().model(model).learning_rate
    with recorded(dataset, f"slow-stage-{model}"), whole_folder(Path("data") / dataset / "models" / model) as folder:
        (folder / "weights").write_text("half")
        pause("middle")
        (folder / "weights").write_text(f"of {rate}")

if __name__ == "__main__":
    run(slow_stage)
'''

PIPELINE = """
stages:
  slow-stage:
    matrix:
      dataset: ${run}
      model: ${models}
    cmd: python -m stages.slow_stage --dataset ${item.dataset} --model ${item.model}
    params:
      - datasets.${item.dataset}.training
      - models.${item.model}
      - seeds
    deps:
      - stages/helper.py
      - stages/slow_stage.py
    outs:
      - data/${item.dataset}/models/${item.model}
"""

DATASET, MODEL = "ml-latest-small", "dae-200"


class Project:
    """The project's own params.yaml, stages/config and stages/run, and a stage that waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "data" / DATASET / "models" / MODEL
        self.processes: list[subprocess.Popen[str]] = []
        for name in ("config", "run"):
            shutil.copytree(ROOT / "stages" / name, folder / "stages" / name, ignore=lambda *_: ["__pycache__"])
        for name in ("params.yaml", "stages/__init__.py"):
            shutil.copyfile(ROOT / name, folder / name)
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "stages/slow_stage.py").write_text(STAGE)
        for name in ("helper", "unrelated"):
            (folder / f"stages/{name}.py").write_text("VALUE = 1\n")

    def start(self, *arguments: str, module: str = "stages.slow_stage", **environment: str) -> subprocess.Popen[str]:
        arguments = arguments or ("--dataset", DATASET, "--model", MODEL)
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder, text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def reach(self, place: str) -> None:
        """Wait until a stage has come to a place."""
        mark = self.folder / f"{place} is reached"
        while not mark.exists():
            for process in self.processes:
                assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        mark.unlink()

    def go(self) -> None:
        (self.folder / "go").touch()

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.go()
    for process in project.processes:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Status, and what it said of errors."""
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors
