"""A clone in which every stage and command has run once, and copies of it to be harmed."""

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dvc.repo import Repo

from tests.faults.processes import Ended, at_event, killed, nothing, run
from tests.pipeline.clone import DAE, PRODUCT, RESIDUAL, Clone

DIFFERS = ("run.md", ".part", ".lock", "lock.mdb")
"""Endings of files that may differ from run to run: run facts, and what a killed process leaves."""


COPIED = ("data", "reports", "params.yaml", "dvc.yaml")


class Command(NamedTuple):
    """A stage or command of the project."""

    words: list[str]
    """Module and arguments."""
    outs: list[str]
    """Files and folders that it writes, whose bytes are the same in every run."""
    progress: str = ""
    """What it goes on from: a pattern below data/tiny."""


def tiny(name: str, *arguments: str) -> list[str]:
    return [f"stages.{name}", "--dataset", "tiny", *arguments]


COMMANDS = {
    "sweep": Command(tiny("commands.sweep", "--model", "dae-8"), ["reports/tiny/sweeps/dae-8"], "sweeps/*"),
    "study": Command(tiny("commands.study", "--study", "ablation"), [
        "reports/tiny/studies/ablation.csv", "reports/tiny/studies/ablation.md",
    ], "studies/*"),
    "encode_users": Command(tiny(
        "commands.encode_users", "--row", "rq-vae-1b", "--histories", "data/tiny/mine/all.parquet", "--out",
        "data/tiny/mine/codes",
    ), ["data/tiny/mine/codes"]),
    "store_users": Command([
        "stages.commands.store_users", "--codes", "data/tiny/mine/codes", "--store", "data/tiny/mine/store",
    ], []),
    "recommend": Command(tiny(
        "commands.recommend", "--row", "rq-vae-1b", "--all", "--out", "data/tiny/mine/top.parquet",
    ), ["data/tiny/mine/top.parquet"]),
    "draw": Command(tiny("commands.draw"), [f"reports/tiny/{name}" for name in (
        "report.md", "frontier.html", "figures", "plots",
    )]),
    "advise": Command(tiny("commands.advise", "--users", "50_000_000", "--gigabytes", "1"), []),
}  # fmt: skip
"""Beside the stages of dvc.yaml."""


class Workplace:
    """Every command has run once, undisturbed; copies are harmed.

    One training (dae-2) and one of a study's are stopped halfway: their checkpoints wait for the next run.

    Parameters
    ----------
    without : commands to go without; to draw figures takes longer than all the rest
    """

    def __init__(self, folder: Path, without: Collection[str] = ()) -> None:
        self.folder = folder
        self.numbers = count()
        clone = Clone(_new(folder / "undisturbed"))
        _reduce(clone)
        self.undisturbed = clone.folder
        write_histories(clone.folder)
        commands = _stages(clone.folder) | COMMANDS
        self.commands = {name: command for name, command in commands.items() if name not in without}
        self.said: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.counted: dict[str, int] = {}
        for name, command in self.commands.items():
            started = time.monotonic()
            ended = run(clone.folder, command.words)
            self.seconds[name] = time.monotonic() - started
            assert ended.status == 0, (name, ended)
            self.said[name] = ended.said
        self.written = self.digests(self.undisturbed)
        self._stop_halfway("train@tiny-dae-2", "checkpoints/*dae-2-0*", "dae-2-0.pt")
        self._stop_halfway("study", "studies/*", "checkpoint")

    def _stop_halfway(self, name: str, results: str, checkpoint: str) -> None:
        """Remove the last of these results and kill the command at the checkpoint of the second epoch."""
        _remove(max((self.undisturbed / "data/tiny").glob(results), key=lambda path: path.stat().st_mtime_ns))
        renamed = partial(at_event, 2, killed, checkpoint, "os.rename")
        ended = run(self.undisturbed, self.commands[name].words, renamed)
        assert ended.status == -9, ended
        for path in (self.undisturbed / "data/tiny").rglob(".*.part"):
            _remove(path)

    def begin(self, folder: Path, name: str) -> None:
        """Set a command to its beginning: it goes on from nothing."""
        progress = self.commands[name].progress
        for path in (folder / "data/tiny").glob(progress) if progress else []:
            _remove(path)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        folder = _new(self.folder / str(next(self.numbers)))
        for name in COPIED:
            source = self.undisturbed / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
        (folder / "stages").symlink_to(self.undisturbed / "stages")
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def files(self, folder: Path, outs: Iterable[str] | None = None) -> list[Path]:
        """The files of the commands' outputs, or of these, that have the same bytes in every run."""
        if outs is None:
            outs = {out for command in self.commands.values() for out in command.outs}
        paths = {path for out in outs for path in [folder / out, *(folder / out).rglob("*")]}
        return sorted(
            path.relative_to(folder)
            for path in paths
            if (path.is_file() or path.is_symlink()) and not path.name.endswith(DIFFERS)
        )

    def digests(self, folder: Path) -> dict[Path, str]:
        return {path: _digest(folder / path) for path in self.files(folder)}

    def changed(self, folder: Path, but: Iterable[Path] = ()) -> list[Path]:
        """The files that are not as in the undisturbed run, but for these and what is below them."""
        found = self.digests(folder)
        differ = [path for path in {*found, *self.written} if found.get(path) != self.written.get(path)]
        return sorted(path for path in differ if not any(path.is_relative_to(other) for other in but))

    def run(self, folder: Path, name: str) -> Ended:
        return run(folder, self.commands[name].words)

    def events(self, name: str) -> int:
        """How often a command changes the file system, from its beginning."""
        if name not in self.counted:
            with self.copy() as folder:
                self.begin(folder, name)
                ended = run(folder, self.commands[name].words, partial(at_event, 0, nothing))
            self.counted[name] = ended.said.count("event ")
        return self.counted[name]


def write_histories(folder: Path) -> None:
    """Users of one's own: all of them, and those who did something today."""
    draws = np.random.default_rng(0)
    mine = _new_below(folder / "data/tiny/mine")
    for name, users in (("all", range(5_000)), ("today", range(0, 6_000, 2))):
        items = [draws.integers(1, 50, 6) for _ in users]
        pq.write_table(pa.table({"user": list(users), "items": pa.array(items)}), mine / f"{name}.parquet")


def leftovers(folder: Path) -> list[Path]:
    """Temporary files where nobody finds them, or under names that are not known as temporary."""
    strange = [path for path in (folder / "tmp").iterdir() if path.name not in ("fontlist.json", "matplotlib")]
    visible = [path for path in folder.rglob("*.part") if not path.name.startswith(".")]
    return strange + visible


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _new_below(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _reduce(clone: Clone) -> None:
    """The least work in which everything happens: two models of one shape, codes of each kind, all seeds twice."""
    params = clone.params
    params["datasets"]["tiny"]["training"]["epochs"] = 4
    params["models"] = {
        "dae-8": DAE,
        "other-8": {**DAE, "learning_rate": 0.02},
        "dae-2": {**DAE, "hidden": [2], "stored": ["float32", "float16"]},
        "pq-vae-4x2": {**DAE, "bottleneck": PRODUCT},
        "rq-vae": {**DAE, "bottleneck": RESIDUAL},
    }
    params["references"]["ease"] = {"kind": "ease", "l2": 10.0}
    params["quantized_models"] = {"dae-8": "all", "other-8": ["pq-4x2"]}
    params["quantizers"]["kmeans"]["codes"] = [4]
    params["quantizers"]["scalar"]["types"] = ["8bit", "1bit"]
    params["quantizers"]["pca"]["bytes"] = [4]
    params["quantizers"]["history"]["bytes"] = [8]
    params["sweep"] |= {"trials": 3, "epochs": [2, 4]}
    params["report"]["bootstrap_resamples"] = 100
    for dataset in params["datasets"].values():
        del dataset["models"]
    clone.write_params()


def _stages(folder: Path) -> dict[str, Command]:
    """The stages of dvc.yaml, in DVC's order."""
    commands = {}
    with Repo(folder) as repo:
        for stage in repo.index.stages:
            outs = [os.path.relpath(out.fs_path, folder) for out in stage.outs]
            words = shlex.split(stage.cmd)[2:]
            kind, _, entry = stage.name.partition("@tiny-")
            commands[stage.name] = Command(words, outs, f"checkpoints/*{entry}-*" if kind == "train" else "")
    return commands
