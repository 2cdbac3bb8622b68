"""A clone of the project on tiny data, in which commands are run as a user runs them."""

import hashlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
import zipfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from dvc.repo import Repo
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:1/tiny.zip"
DAE = {"kind": "dae", "hidden": [8], "dropout": 0.5, "learning_rate": 0.01, "l2": 0.01}
RULES = {
    "start": 0.2, "ema_decay": 0.99, "commitment": 0.25, "dead_code_share": 0.05, "target": "scores",
    "follow": "clean",
}  # fmt: skip
PRODUCT = {"kind": "product", "chunks": 4, "rotation": False, **RULES}
RESIDUAL = {"kind": "residual", "bytes": [3, 1], "beam": 2, "training_beam": 1, "metric": "euclidean", **RULES}

ONE_AFTER_ANOTHER = """
import json, runpy, sys
for sys.argv in json.loads(sys.argv[1]):
    try:
        runpy.run_module(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""
"""Runs modules with their arguments, given as JSON."""


def tiny_ratings() -> pd.DataFrame:
    """330 users of two tastes, 40 items; laid out as MovieLens does."""
    generator = np.random.default_rng(0)
    likes = (np.add.outer(np.arange(330), np.arange(40)) % 2 == 0) & (generator.random((330, 40)) < 0.6)
    users, items = np.nonzero(likes)
    return pd.DataFrame({"userId": users + 1, "movieId": items + 1, "rating": 4.0, "timestamp": 0})


def tiny_archive() -> bytes:
    """With the ratings, packed without a date: the same bytes on every day."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("tiny/ratings.csv"), tiny_ratings().to_csv(index=False))
    return stream.getvalue()


def tiny_params(archive: bytes) -> dict[str, Any]:
    """A data set that is here, one that nobody has, and a row of each kind."""
    split = {"threshold": 3.5, "min_user_interactions": 5, "held_out_users": 20, "held_out_share": 0.2, "seed": 98765}
    known = {"size": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}
    tiny = {
        "title": "Tiny",
        "caution": "Made up.",
        "source": {"kind": "file", "path": "data/sample/tiny.zip", **known},
        "format": {"kind": "movielens", "member": "tiny/ratings.csv"},
        "split": split,
        "training": {"batch_size": 50, "epochs": 10},
    }
    return {
        "run": ["tiny"],
        "datasets": {
            "tiny": tiny,
            "far": {**tiny, "source": {"kind": "web", "urls": [NOBODY, NOBODY + "?mirror"], **known}},
        },
        "device": "cpu",
        "seeds": [0, 1],
        "scale": {"engine": "local", "parts": 1},
        "training": {
            "precision": "float32", "cooldown": 0.2, "checkpoint_epochs": 1, "processes": 1,
            "sampled": {"above": 1000, "items": 100},
        },
        "evaluation": {"batch_size": 500},
        "references": {"popularity": {"kind": "popularity"}},
        "models": {
            "dae-8": DAE,
            "dae-2": {**DAE, "hidden": [2], "stored": ["float32", "float16"]},
            "pq-vae-4x2": {**DAE, "bottleneck": PRODUCT},
            "rq-vae": {**DAE, "bottleneck": RESIDUAL},
        },
        "float_twins": {"pq-vae-4x2": "dae-8", "rq-vae": "dae-8"},
        "quantized_models": {"dae-8": "all"},
        "quantized_items": {"dae-8": ["tree", "scalar"]},
        "quantizers": {
            "pq-4x2": {"kind": "product", "chunks": 4, "rotation": False, "seed": 1234},
            "rq": {"kind": "residual", "bytes": [3, 1], "beam": 2, "seed": 1234},
            "lsq": {"kind": "additive", "bytes": [1], "beam": 1, "seed": 1234},
            "kmeans": {"kind": "kmeans", "codes": [16, 4, 2], "seed": 1234},
            "tree": {"kind": "tree", "branches": 4, "depth": 2, "seed": 1234},
            "scalar": {"kind": "scalar", "types": ["float16", "8bit", "1bit"]},
            "pca": {"kind": "principal", "bytes": [4, 2]},
            "history": {"kind": "history", "bytes": [8, 4], "seed": 1234},
        },
        "refits": {"dae-8": {"quantizers": ["kmeans"], "epochs": 2, "learning_rate": 0.001}},
        "budgets": {"rq-vae": [2]},
        "serving": {"rows": ["dae-8-pq-4x2", "rq-vae-1b"], "seed": 0, "scorer": "auto", "memory": 4.0},
        "studies": {
            "ablation": {"model": "rq-vae", "variants": {"learns | *the items*": {"bottleneck": {"target": "items"}}}}
        },
        "sweep": {
            "trials": 4, "startup_trials": 1, "warmup_epochs": 0, "learning_rate": [1e-5, 0.1], "l2": [0.001, 0.1],
            "epochs": [5, 10], "seeds": [0, 1], "seed": 0,
        },
        "report": {"digits": 5, "bootstrap_resamples": 200, "bootstrap_seed": 0},
    }  # fmt: skip


class Ended(NamedTuple):
    """What is left of a command."""

    status: int
    out: str
    errors: str


class Clone:
    """A clone of the project on tiny data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and not name.startswith(("reports/", "tests/")) and name != "dvc.lock":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        self.archive = tiny_archive()
        (folder / "data/sample/tiny.zip").write_bytes(self.archive)
        self.params = tiny_params(self.archive)
        self.first_run: list[str] = []
        self.write_params()
        self.run("git", "init", "--quiet")
        self.commit()

    def write_params(self) -> None:
        """Write params.yaml, with a line for every model under every data set, as the file has to have."""
        for dataset in self.params["datasets"].values():
            given = dataset.get("models", {})
            dataset["models"] = {model: given.get(model, {}) for model in self.params["models"]}
        YAML().dump(self.params, self.folder / "params.yaml")

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "a state")

    def start(self, *command: str) -> subprocess.Popen[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "2"},
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """Standard output of a command that has to succeed."""
        process = self.start(*command)
        out, errors = process.communicate()
        assert process.returncode == 0, out + errors
        return out

    def module(self, module: str, *arguments: str) -> Ended:
        """Run `python -m module`, in this process: to import PyTorch again takes longer than most stages."""
        out, errors, argv = io.StringIO(), io.StringIO(), sys.argv
        sys.argv = [module, *arguments]
        try:
            with chdir(self.folder), redirect_stdout(out), redirect_stderr(errors), warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
                runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            said = isinstance(end.code, str)
            return Ended(1 if said else int(end.code or 0), out.getvalue(), errors.getvalue() + str(end.code) * said)
        finally:
            sys.argv = argv
        raise AssertionError(f"{module} did not exit")

    def stage(self, name: str, *arguments: str, dataset: str = "tiny") -> str:
        """Standard output of a stage or command that has to succeed."""
        ended = self.module(f"stages.{name}", "--dataset", dataset, *arguments)
        assert ended.status == 0, ended.out + ended.errors
        return ended.out

    def complaint(self, module: str, *arguments: str) -> str:
        """What a stage or command that has to fail says; never a traceback, which would come through."""
        ended = self.module(module, *arguments)
        assert ended.status == 1, ended.out + ended.errors
        assert ended.errors.startswith("error: ")
        return ended.errors

    def repro(self) -> list[str]:
        """The stages that `dvc repro` runs."""
        return re.findall(r"Running stage '(.*)'", self.run("dvc", "repro"))

    def run_all(self) -> list[str]:
        """The stages that DVC finds in dvc.yaml, run in its order in a single new process, without DVC's cache."""
        with Repo(self.folder) as repo:
            commands = {stage.name: shlex.split(stage.cmd)[2:] for stage in repo.index.stages}
        self.run("python", "-c", ONE_AFTER_ANOTHER, json.dumps(list(commands.values())))
        return list(commands)

    def metrics(self, dataset: str = "tiny") -> dict[str, dict[str, float]]:
        content: dict[str, dict[str, dict[str, float]]] = json.loads(
            (self.folder / f"reports/{dataset}/metrics.json").read_text()
        )
        return content["rows"]
