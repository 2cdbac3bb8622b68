"""Users who are encoded in small parts, each of a file of its own; and work that waits where a test wants it to."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.config.params import ScaleSettings
from stages.run.errors import UserError
from stages.scale.engine import LOCAL, Failed
from stages.serving import in_parts
from stages.serving.encoding.resumable import _Encoding, encode_histories
from stages.serving.in_parts import Part, Task
from tests.serving.encoding.packages import drawn_package

PACKAGE = drawn_package()
LIMIT = 60.0
"""Seconds after which something hangs."""


def written(folder: Path, n_parts: int, users_per_part: int = 50) -> Path:
    """Histories of which each file is a part; every tenth user has only items that the package does not know."""
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(n_parts):
        users = np.arange(number * users_per_part, (number + 1) * users_per_part)
        items = [draws.integers(0, 10, 3) if user % 10 == 0 else 100 + 3 * draws.integers(0, 30, 5) for user in users]
        pq.write_table(pa.table({"user": users, "items": pa.array(items)}), folder / f"{number:04}.parquet")
    return folder


@contextmanager
def parts_of(users: int) -> Iterator[None]:
    """Parts are of so many users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_parts, "ROWS_PER_PART", {"items": users, "item": users})
        yield


def encode(histories: Path, folder: Path, settings: ScaleSettings = LOCAL, users: int = 50) -> Counter[str]:
    """How many parts were written, kept and failed; UserError as of the command, if some did."""
    with parts_of(users):
        return counted(encode_histories(histories, PACKAGE, folder, settings))


def counted(parts: Iterator[Part | Failed[Task]]) -> Counter[str]:
    return Counter("failed" if isinstance(part, Failed) else "kept" if part.kept else "written" for part in parts)


def contents(folder: Path) -> dict[str, bytes]:
    """The parts, and whatever else is in the folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_corrupt_part(folder: Path, n_parts: int, settings: ScaleSettings) -> None:
    """Of so many parts, one of whose histories are corrupt is named, and made alone when they are mended."""
    histories, codes = written(folder / "histories", n_parts, users_per_part=2), folder / "codes"
    assert encode(histories, folder / "right", users=2) == {"written": n_parts}
    right = contents(folder / "right")
    file, name = histories / f"{n_parts // 2:04}.parquet", f"part-{n_parts // 2:05}.parquet"
    whole = file.read_bytes()
    file.write_bytes(corrupted(whole))
    with pytest.raises(
        UserError, match=f"^1 of {n_parts:,} parts could not be made, the first, {name}, .*{file} is dam"
    ):
        encode(histories, codes, settings, users=2)
    assert contents(codes).keys() == right.keys() - {name}
    file.write_bytes(whole)
    assert encode(histories, codes, users=2) == {"written": 1, "kept": n_parts - 1}
    assert contents(codes) == right


def corrupted(content: bytes) -> bytes:
    """Parquet with a bit of its first page flipped."""
    changed = bytearray(content)
    changed[40] ^= 1
    return bytes(changed)


class Gate:
    """Work that says that it has begun, and waits; by files, since it is done by other processes.

    Parameters
    ----------
    free : number of the first part that waits
    """

    def __init__(self, folder: Path, free: int = 0) -> None:
        self.folder, self.free = folder, free
        folder.mkdir()

    def open(self) -> None:
        (self.folder / "open").touch()

    def begun(self) -> list["Begun"]:
        """What was begun, each time."""
        names = [path.name.split() for path in self.folder.iterdir() if path.name != "open"]
        return [Begun(part, int(process), node) for part, process, node in names]

    def wait_for(self, number: int) -> list["Begun"]:
        """Until so many parts have begun."""
        wait(lambda: len(self.begun()) >= number)
        return self.begun()

    def encode(self, histories: Path, folder: Path, settings: ScaleSettings) -> Counter[str]:
        """Encode as the command does, but that parts wait for the gate."""
        begin = partial(_Gated, self.folder, self.free, partial(_Encoding, PACKAGE))
        with parts_of(50):
            return counted(in_parts.in_parts(histories, folder, "code", PACKAGE.digest, begin, settings))


class Begun(NamedTuple):
    """Where a part was begun."""

    part: str
    process: int
    node: str


class _Gated:
    def __init__(self, gate: Path, free: int, begin: Callable[[], Callable[[Task], Part]]) -> None:
        self.gate, self.free, self.work = gate, free, begin()

    def __call__(self, task: Task) -> Part:
        import ray

        (self.gate / f"{task.path.name} {os.getpid()} {ray.get_runtime_context().get_node_id()}").touch()
        if int(task.path.stem.removeprefix("part-")) >= self.free:
            wait((self.gate / "open").exists)
        return self.work(task)


def wait(condition: Callable[[], Any]) -> None:
    end = monotonic() + LIMIT
    while not condition():
        assert monotonic() < end, "it hangs"
        sleep(0.01)
