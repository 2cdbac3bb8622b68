"""The store of users on LMDB against SQLite and a sorted memory map: 50 million users of 20 bytes with integer ids.

python tests/benchmarks/store.py             50 million users: 10 minutes, 10 GB of disk; the figures go to reports/
python tests/benchmarks/store.py 1000000     fewer, printed alone

Each side in a process of its own, with the same users in the same random order, one after the other: build, open, look
up, upsert 1 % of the users, look up again. SQLite has an integer primary key, a write-ahead log (readers go on while a
writer works, as with LMDB), and a memory map of the whole file. The memory map is of two NumPy files, ids and codes.

Why LMDB: it changes 1 % of the users four to ten times as fast as SQLite, builds in half the time, and needs no log
beside its file, which a reader would have to replay after a kill. SQLite is smaller by a third, and looks up as fast or
faster: it does not check a checksum of each code, as we do. A memory map is faster still, but cannot be changed: it has
to be written anew.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.run import paths
from stages.serving.store.store import open_store, write_store
from tests.benchmarks.performance import line, record

FULL, N_BYTES = 50_000_000, 20
BATCH, BATCHES, SINGLES = 1_000, 300, 20_000
PACKAGE = "0" * 64


class Side(Protocol):
    """Users' codes on disk."""

    def __init__(self, folder: Path) -> None: ...
    def build(self, ids: np.ndarray, codes: np.ndarray) -> None: ...
    def open(self) -> None: ...
    def one(self, user: int) -> bytes | None: ...
    def many(self, users: np.ndarray) -> np.ndarray: ...
    def upsert(self, ids: np.ndarray, codes: np.ndarray) -> None: ...


class Lmdb:
    """Ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, ids: np.ndarray, codes: np.ndarray) -> None:
        write_store(self.folder, ids, codes, np.ones(len(ids), bool), PACKAGE)

    def open(self) -> None:
        self.store = open_store(self.folder, PACKAGE, writable=True)
        self.one = self.store.code

    def many(self, users: np.ndarray) -> np.ndarray:
        return self.store.codes(users)[0]

    def upsert(self, ids: np.ndarray, codes: np.ndarray) -> None:
        self.store.upsert(ids, codes)


class Sqlite:
    """The standard library's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "users.db"

    def build(self, ids: np.ndarray, codes: np.ndarray) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, code BLOB)")
        order = np.argsort(ids)
        for start in range(0, len(order), 2**17):
            block = order[start : start + 2**17]
            connection.executemany("INSERT INTO users VALUES (?, ?)", self._rows(ids[block], codes[block]))
        connection.commit()
        connection.close()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def open(self) -> None:
        self.connection = sqlite3.connect(self.path)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA mmap_size = {2**40}")
        self.in_list = f"SELECT id, code FROM users WHERE id IN ({','.join('?' * BATCH)})"  # noqa: S608

    def one(self, user: int) -> bytes:
        return self.connection.execute("SELECT code FROM users WHERE id = ?", (user,)).fetchone()[0]

    def many(self, users: np.ndarray) -> np.ndarray:
        asked = users.tolist()
        found = dict(self.connection.execute(self.in_list, asked))
        return np.frombuffer(b"".join([found[user] for user in asked]), np.uint8).reshape(-1, N_BYTES)

    def upsert(self, ids: np.ndarray, codes: np.ndarray) -> None:
        order = np.argsort(ids)
        with self.connection:
            self.connection.executemany("REPLACE INTO users VALUES (?, ?)", self._rows(ids[order], codes[order]))

    def _rows(self, ids: np.ndarray, codes: np.ndarray) -> Any:
        raw = codes.tobytes()
        return zip(ids.tolist(), (raw[at : at + N_BYTES] for at in range(0, len(raw), N_BYTES)), strict=True)


class Map:
    """NumPy's; an upsert writes both files anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, ids: np.ndarray, codes: np.ndarray) -> None:
        order = np.argsort(ids)
        for name, values in (("ids", ids[order]), ("codes", codes[order])):
            with (self.folder / f"{name}.npy").open("wb") as file:
                np.save(file, values)
                file.flush()
                os.fsync(file.fileno())

    def open(self) -> None:
        self.ids, self.codes = (np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in ("ids", "codes"))

    def one(self, user: int) -> bytes:
        place = np.searchsorted(self.ids, user)
        assert self.ids[place] == user
        return self.codes[place].tobytes()

    def many(self, users: np.ndarray) -> np.ndarray:
        places = np.searchsorted(self.ids, users)
        assert (self.ids[places] == users).all()
        return self.codes[places]

    def upsert(self, ids: np.ndarray, codes: np.ndarray) -> None:
        merged = np.array(self.codes)
        merged[np.searchsorted(self.ids, ids)] = codes
        self.build(np.array(self.ids), merged)
        self.open()


SIDES: dict[str, type[Side]] = {"LMDB": Lmdb, "SQLite": Sqlite, "a memory map": Map}


def main(n_users: int) -> None:
    place = paths.DATA / "store-benchmark"
    found = {}
    try:
        for name in SIDES:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            command = [sys.executable, __file__, str(n_users), name, str(place)]
            found[name] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            print(name, found[name], flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    ours, store = found["LMDB"], f"store of {n_users / 1e6:g} million users of {N_BYTES} bytes"
    for figure, what, unit, theirs, target, met in (
        ("build_seconds", "building it", "s", ["SQLite"], None, None),
        ("gigabytes", "on disk", "GB", ["SQLite", "a memory map"], "≤ 3 GB", ours["gigabytes"] <= 3),
        ("open_ms", "opening it", "ms", ["SQLite"], "< 1 s", ours["open_ms"] < 1000),
        ("p99_us", "a look-up of one, 99th percentile", "µs", ["SQLite"], "≤ 100 µs", ours["p99_us"] <= 100),
        ("per_second", f"look-ups in random batches of {BATCH:,}", "users/s", ["SQLite", "a memory map"],
         "≥ 300,000 users/s", ours["per_second"] >= 300_000),
        ("changed_per_second", "the same after two upserts of 1 %", "users/s", ["SQLite"], None, None),
        ("upsert_seconds", "upsert of 1 %", "s", ["SQLite", "a memory map"], None, None),
        ("second_upsert_seconds", "upsert of another 1 %", "s", ["SQLite"], None, None),
    ):  # fmt: skip
        for name in theirs:
            quotient = found[name][figure] / ours[figure]
            ratio = 1 / quotient if unit == "users/s" else quotient
            is_first = name == "SQLite"
            _report(
                n_users, f"store_{figure}_{name.rpartition(' ')[2].lower()}", what=f"{store}: {what}", unit=unit,
                digits=0 if unit == "users/s" else 2,
                ours=ours[figure], theirs=found[name][figure], than=name, ratio=ratio, ratio_digits=2,
                speedup=unit != "GB" and ratio > 1, target=target if is_first else None, met=met if is_first else None,
                runs=found,
            )  # fmt: skip
    ratio = ours["build_seconds"] / ours["second_upsert_seconds"]
    _report(
        n_users, "store_upsert", what=f"{store}: upsert of 1 %, after another", unit="s", digits=2,
        ours=ours["second_upsert_seconds"], theirs=ours["build_seconds"], than="a rebuild", ratio=ratio, speedup=True,
        target="≥ 20×", met=ratio >= 20,
    )  # fmt: skip


def _report(n_users: int, name: str, **entry: Any) -> None:
    """Keep the figures of the full size alone."""
    record(name, **entry) if n_users == FULL else print(line(entry), flush=True)


def measure(n_users: int, side: Side) -> dict[str, float]:
    draws = np.random.default_rng(0)
    ids = draws.permutation(np.arange(n_users) * 7 + draws.integers(0, 7, n_users))
    codes = draws.integers(0, 256, (n_users, N_BYTES), dtype=np.uint8)
    build_seconds = _seconds(lambda: side.build(ids, codes))
    figures = {"build_seconds": build_seconds, "gigabytes": _gigabytes(side)}
    figures["open_ms"] = 1e3 * _seconds(side.open)
    figures["per_second"] = _batches(side, ids, codes, draws)
    singles = []
    for place in draws.integers(0, n_users, SINGLES).tolist():
        user, right = int(ids[place]), codes[place].tobytes()
        started = perf_counter()
        code = side.one(user)
        singles.append(perf_counter() - started)
        assert code == right
    figures["p50_us"], figures["p99_us"] = (1e6 * np.percentile(singles, [50, 99])).tolist()
    for name in ("upsert_seconds", "second_upsert_seconds"):
        chosen = draws.choice(n_users, n_users // 100, replace=False)
        codes[chosen] = draws.integers(0, 256, (len(chosen), N_BYTES), dtype=np.uint8)
        users, new = ids[chosen], codes[chosen]
        figures[name] = _seconds(lambda users=users, new=new: side.upsert(users, new))  # type: ignore[misc]
    figures["changed_per_second"] = _batches(side, ids, codes, draws)
    figures["gigabytes_after"] = _gigabytes(side)
    return figures


def _batches(side: Side, ids: np.ndarray, codes: np.ndarray, draws: np.random.Generator) -> float:
    """Users per second, the median of many batches, after as many that do not count."""
    seconds = []
    for _ in range(2 * BATCHES):
        places = draws.integers(0, len(ids), BATCH)
        users = ids[places]
        started = perf_counter()
        found = side.many(users)
        seconds.append(perf_counter() - started)
        np.testing.assert_array_equal(found, codes[places])
    return float(BATCH / np.median(seconds[BATCHES:]))


def _seconds(work: Callable[[], None]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def _gigabytes(side: Side) -> float:
    folder = side.folder if hasattr(side, "folder") else side.path.parent  # type: ignore[attr-defined]
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir()) / 1e9


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(measure(int(sys.argv[1]), SIDES[sys.argv[2]](Path(sys.argv[3])))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else FULL)
