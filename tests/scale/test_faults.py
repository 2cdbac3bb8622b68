"""Workers, machines and the driver are lost, memory is full, a part is corrupt: all parts come, the same bytes."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.config.params import ScaleSettings
from stages.run.errors import UserError
from stages.scale import engine
from stages.scale.engine import Failed, run_parts
from stages.serving.encoding.resumable import _Encoding
from stages.serving.in_parts import Part, Task, in_parts
from tests.scale.users import (
    LIMIT,
    PACKAGE,
    Begun,
    Gate,
    check_corrupt_part,
    contents,
    counted,
    encode,
    parts_of,
    wait,
    written,
)

pytestmark = pytest.mark.scale
N_PARTS = 12


def by_ray(workers: int, address: str | None = None, gpus: float = 0) -> ScaleSettings:
    return ScaleSettings(engine="ray", parts=1, workers=workers, address=address, gpus_per_worker=gpus)


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("users") / "histories", N_PARTS)


@pytest.fixture(scope="module")
def right(histories: Path) -> dict[str, bytes]:
    folder = histories.parent / "right"
    encode(histories, folder)
    return contents(folder)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[Any]]]:
    """Calls a function in another thread, so that a test can do harm meanwhile."""
    pool = ThreadPoolExecutor(1)
    yield pool.submit
    pool.shutdown(wait=False)


def times(begun: list[Begun]) -> Counter[int]:
    """How many parts were begun so often."""
    return Counter(Counter(part for part, _, _ in begun).values())


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_is_replaced(
    histories: Path, right: dict[str, bytes], tmp_path: Path, gate: Gate, beside: Callable[..., Future[Counter[str]]]
) -> None:
    done = beside(gate.encode, histories, tmp_path / "codes", by_ray(2))
    lost, _ = gate.wait_for(2)
    os.kill(lost.process, signal.SIGKILL)
    gate.open()
    assert done.result(LIMIT) == {"written": N_PARTS}
    assert contents(tmp_path / "codes") == right
    assert times(gate.begun()) == {1: N_PARTS - 1, 2: 1}
    assert len({begun.process for begun in gate.begun() if begun.part == lost.part}) == 2


class Others:
    """Work of others, which leaves no CPU for a worker that is lost."""

    def are_there(self) -> None:
        """Returns when they are."""


def test_what_a_machine_had_begun_is_made_by_others(
    cluster: Any,
    histories: Path,
    right: dict[str, bytes],
    tmp_path: Path,
    gate: Gate,
    beside: Callable[..., Future[Counter[str]]],
) -> None:
    import ray

    others = ray.remote(num_cpus=2)(Others).remote()
    ray.get(others.are_there.remote())
    machine = cluster.add_node(num_cpus=1)
    done = beside(gate.encode, histories, tmp_path / "codes", by_ray(2))
    here, there = gate.wait_for(2)
    assert here.node != there.node
    cluster.remove_node(machine, allow_graceful=False)
    gate.open()
    assert done.result(LIMIT) == {"written": N_PARTS}
    ray.kill(others)
    assert contents(tmp_path / "codes") == right
    assert times(gate.begun()) == {1: N_PARTS - 1, 2: 1}


def test_without_a_machine_for_workers_it_ends_and_what_is_whole_is_kept(
    cluster: Any,
    histories: Path,
    right: dict[str, bytes],
    tmp_path: Path,
    beside: Callable[..., Future[Counter[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SILENCE", 0.5)
    monkeypatch.setattr(engine, "PATIENCE", 1.0)
    gate, codes = Gate(tmp_path / "gate", free=5), tmp_path / "codes"
    machine = cluster.add_node(num_cpus=1, num_gpus=1)  # the only one with a GPU, or so it says
    done = beside(gate.encode, histories, codes, by_ray(1, cluster.address, gpus=1))
    gate.wait_for(6)
    cluster.remove_node(machine, allow_graceful=False)
    with pytest.raises(
        UserError, match=r"^no machine of Ray's has a CPU and 1 GPUs for a worker; add one, and run this"
    ):
        done.result(LIMIT)
    assert contents(codes).items() <= right.items()
    assert len(contents(codes)) == 5
    assert encode(histories, codes) == {"kept": 5, "written": N_PARTS - 5}
    assert contents(codes) == right


class Laden:
    """What makes parts, with as much memory as a real package."""

    def __init__(self, load: np.ndarray) -> None:
        self.load, self.encoding = load, _Encoding(PACKAGE)

    def __call__(self, task: Task) -> Part:
        assert self.load.all()
        return self.encoding(task)


@pytest.mark.usefixtures("cluster")
def test_a_full_object_store_does_no_harm(histories: Path, right: dict[str, bytes], tmp_path: Path) -> None:
    import ray

    size = 10_000_000
    pinned = [ray.get(ray.put(np.zeros(size, np.uint8))) for _ in range(8)]  # in use, so none can go to disk
    begin = partial(Laden, np.ones(3 * size, np.uint8))
    with parts_of(50):
        done = counted(in_parts(histories, tmp_path / "codes", "code", PACKAGE.digest, begin, by_ray(1)))
    assert done == {"written": N_PARTS}
    assert contents(tmp_path / "codes") == right
    assert sum(len(array) for array in pinned) == 8 * size


@pytest.mark.usefixtures("cluster")
def test_of_a_thousand_parts_the_one_that_is_corrupt_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    check_corrupt_part(tmp_path, 1000, by_ray(2))


def test_a_driver_that_is_killed_goes_on(
    cluster: Any, histories: Path, right: dict[str, bytes], tmp_path: Path
) -> None:
    gate, codes = Gate(tmp_path / "gate", free=5), tmp_path / "codes"
    driver = get_context("spawn").Process(target=gate.encode, args=(histories, codes, by_ray(2, cluster.address)))
    driver.start()
    begun = gate.wait_for(7)
    assert driver.pid
    os.kill(driver.pid, signal.SIGKILL)
    driver.join()
    wait(lambda: not any(Path(f"/proc/{at.process}").exists() for at in begun))
    assert contents(codes).items() <= right.items()
    assert len(contents(codes)) == 5
    assert encode(histories, codes, by_ray(1)) == {"kept": 5, "written": N_PARTS - 5}
    assert contents(codes) == right


def deadly() -> Callable[[int], int]:
    """Work that one task's worker does not survive, as where it takes more memory than there is."""

    def work(task: int) -> int:
        if task == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return work


@pytest.mark.usefixtures("cluster")
def test_a_part_that_ends_every_worker_is_given_up_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ATTEMPTS", 1)
    results = list(run_parts(by_ray(1), deadly, range(4)))
    assert [result for result in results if not isinstance(result, Failed)] == [0, 1, 3]
    assert [result for result in results if isinstance(result, Failed)] == [
        Failed(2, "Ray lost 1 workers that had begun it, perhaps for want of memory")
    ]


def refused() -> Callable[[int], int]:
    raise UserError("it can't begin")


@pytest.mark.usefixtures("cluster")
def test_an_error_is_the_one_that_it_is_without_ray() -> None:
    with pytest.raises(UserError, match=r"^it can't begin$"):
        list(run_parts(by_ray(1), refused, range(2)))
