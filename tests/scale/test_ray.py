"""Workers of Ray make the bytes that one process makes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.commands.encode_users import encode_users
from stages.commands.recommend_users import recommend_users
from stages.config.params import ScaleSettings
from stages.interactions.protocol.interactions import read_interactions
from stages.interactions.protocol.spill import Spill
from stages.run import paths
from stages.scale.engine import run_parts
from stages.serving.package.files import write_package
from tests.damage import sealed
from tests.interactions.made_up import rows_of
from tests.interactions.protocol.test_spill import ONCE, random_log
from tests.pipeline.imports import ROOT
from tests.scale.users import LIMIT, PACKAGE, contents, parts_of, written
from tests.serving.package.made_up import ORIGIN

pytestmark = pytest.mark.scale
DATASET, ROW = "ml-latest-small", "rq-vae-200-20b"
N_PARTS = 4


@pytest.fixture
def histories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Users enough for several threads; beside them params.yaml, and the package of a row as the stage leaves it."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    folder = paths.package(DATASET, ROW)
    folder.mkdir(parents=True)
    origin = ORIGIN.model_copy(update={"row": ROW})
    write_package(folder, origin, PACKAGE.encoder, PACKAGE.quantizer, PACKAGE.items)
    sealed(folder)
    return written(tmp_path / "histories", N_PARTS, 500)


def use_ray(**settings: object) -> None:
    lines = "".join(f"\n  {name}: {value}" for name, value in settings.items())
    text = Path("params.yaml").read_text()
    assert text.count("  engine: local") == 1
    Path("params.yaml").write_text(text.replace("  engine: local", f"  engine: ray{lines}"))


def encoded(histories: Path, out: Path) -> None:
    encode_users(DATASET, ROW, histories, out)


def recommended(histories: Path, out: Path) -> None:
    recommend_users(DATASET, ROW, histories, out, top=5)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("command", [encoded, recommended])
def test_the_bytes_are_those_of_one_process(
    command: Callable[[Path, Path], None], workers: int, histories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with parts_of(500):
        command(histories, Path("here"))
        here = capsys.readouterr().out
        use_ray(workers=workers)
        command(histories, Path("there"))
    assert contents(Path("there")) == contents(Path("here"))
    assert len(contents(Path("here"))) == N_PARTS
    *parts, all_ = capsys.readouterr().out.replace("there", "here").splitlines()
    assert [*sorted(parts), all_] == here.splitlines()


def threads() -> Callable[[Any], dict[str, int]]:
    import faiss
    import pyarrow as pa
    import torch

    from stages.search.kernels import N_THREADS

    return lambda _: {
        "torch": torch.get_num_threads(),
        "faiss": faiss.omp_get_max_threads(),
        "numba": N_THREADS,
        "arrow": pa.cpu_count(),
    }


@pytest.mark.usefixtures("cluster")
def test_a_worker_uses_the_one_cpu_that_it_has() -> None:
    (used,) = run_parts(ScaleSettings(engine="ray", parts=1), threads, [None])
    assert used == dict.fromkeys(["torch", "faiss", "numba", "arrow"], 1)


def run_command(histories: Path, out: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "stages.commands.encode_users", "--dataset", DATASET, "--row", ROW]
    return subprocess.run(
        [sys.executable, *command, "--histories", str(histories), "--out", out],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip


def test_a_command_finds_the_cluster_and_says_what_it_says_without(cluster: Any, histories: Path) -> None:
    here = run_command(histories, "codes")
    assert here.returncode == 0, here.stderr
    before = contents(Path("codes"))
    shutil.rmtree("codes")
    use_ray(address=cluster.address)
    there = run_command(histories, "codes")
    assert (there.returncode, there.stdout) == (0, here.stdout), there.stderr
    assert contents(Path("codes")) == before


def test_an_address_of_no_cluster_is_said_in_one_sentence(histories: Path) -> None:
    use_ray(address="127.0.0.1:1")
    ended = run_command(histories, "codes")
    assert ended.returncode == 1
    (said,) = [line for line in ended.stderr.splitlines() if line.startswith("error")]
    assert "no Ray can be reached at 127.0.0.1:1 (scale.address in params.yaml): " in said
    assert "Connection refused" in said
    assert ended.stdout == ""
    assert not contents(Path("codes"))


@pytest.mark.usefixtures("cluster")
def test_a_log_in_parts_gives_the_interactions_that_it_gives_in_memory(tmp_path: Path) -> None:
    log = random_log(1, 400, text=True, borders=[90], sort=False)
    here, counts = read_interactions(log.paths, log, 3.5, ONCE)
    by_ray = Spill(tmp_path, 3, ScaleSettings(engine="ray", parts=3, workers=2))
    there, counts_there = read_interactions(log.paths, log, 3.5, ONCE, spill=by_ray)
    assert counts_there == counts
    for name, column in rows_of(here).columns().items():
        np.testing.assert_array_equal(rows_of(there).columns()[name], column)
