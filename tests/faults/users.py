"""Users of one's own: their encoding and upsert are killed at random moments; a store on a full disk, or forbidden."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from stages.serving import in_parts
from stages.serving.encoding import histories
from stages.serving.store.store import open_store
from tests.faults.outcomes import Case, Found, Outcome, judged
from tests.faults.processes import Ended, at_event, killed, limited_files, run, without_privileges
from tests.faults.workplace import Workplace, tiny

MINE = Path("data/tiny/mine")
UPSERT = ["stages.commands.store_users", "--codes", f"{MINE}/today", "--store", f"{MINE}/store"]
LONGEST = {"encode_users": 0.4, "upsert": 0.02}
"""Seconds within which it is killed, after it has its lock."""
Users = dict[int, bytes | None]


def cases(moments: int) -> Iterator[Case]:
    for name, judge in (("encode_users", _encoded), ("upsert", _upserted)):
        for number in range(moments):
            seconds = Random(f"{name} {number}").random() * LONGEST[name]
            yield Case("users: kill at a moment", f"{name}: after {seconds:.3f} s", partial(judge, seconds))
    for harm in (_limited, _forbidden):
        yield Case("users: a store that can't be written", harm.__name__, partial(_refused, harm))


def _encoded(seconds: float, _: Workplace, folder: Path) -> Found:
    right = _encode(folder, "right")
    ended = run(folder, _encoding("codes-again"), partial(_killed_in, seconds, ".codes-again.lock"))
    again = _encode(folder, "codes-again")
    if again != right:
        return Found(Outcome.WRONG, f"{len(again)} parts, {len(right)} should be; {ended.said[-200:]}")
    return Found(Outcome.HARMLESS, ended.said[-200:])


def _upserted(seconds: float, _: Workplace, folder: Path) -> Found:
    new = _prepared(folder)
    old = _held(folder / MINE / "store")
    ended = run(folder, UPSERT, partial(_killed_in, seconds, ".store.lock"))
    if (left := _held(folder / MINE / "store")) not in (old, new):
        return Found(Outcome.HARMED, f"{len(left)} users, {len(old)} or {len(new)} should be; {ended.said[-200:]}")
    if found := judged(run(folder, UPSERT)):
        return Found(Outcome.STUCK, found.shown)
    if _held(folder / MINE / "store") != new:
        return Found(Outcome.WRONG, "run again, other users are there")
    return Found(Outcome.HARMLESS, ended.said[-200:])


def _refused(harm: Callable[[Path, Path], Ended], _: Workplace, folder: Path) -> Found:
    new, store = _prepared(folder), folder / MINE / "store"
    old = _held(store)
    found = judged(harm(folder, store), "annot write")
    (store / "data.mdb").chmod(0o644)
    if _held(store) != old:
        return Found(Outcome.HARMED, str(found))
    again = judged(run(folder, UPSERT))
    if again or _held(store) != new:
        return Found(Outcome.STUCK, str(again))
    return found or Found(Outcome.WRONG, "it was written")


def _limited(folder: Path, store: Path) -> Ended:
    return run(folder, UPSERT, partial(limited_files, (store / "data.mdb").stat().st_size + 4096))


def _forbidden(folder: Path, store: Path) -> Ended:
    (store / "data.mdb").chmod(0o444)
    return run(folder, UPSERT, without_privileges)


def _prepared(folder: Path) -> Users:
    """Encode today's users; who is in the store when they are upserted."""
    ended = run(folder, tiny(
        "commands.encode_users", "--row", "rq-vae-1b", "--histories", f"{MINE}/today.parquet", "--out", f"{MINE}/today",
    ))  # fmt: skip
    assert ended.status == 0, ended
    copy = folder / MINE / "copy"
    shutil.copytree(folder / MINE / "store", copy)
    ended = run(folder, [*UPSERT[:-1], str(copy)])
    assert ended.status == 0, ended
    return _held(copy)


def _encoding(out: str) -> list[str]:
    return tiny(
        "commands.encode_users", "--row", "rq-vae-1b", "--histories", f"{MINE}/all.parquet", "--out", f"{MINE}/{out}"
    )


def _encode(folder: Path, out: str) -> dict[str, bytes]:
    ended = run(folder, _encoding(out), _small_parts)
    assert ended.status == 0, ended
    return {path.name: path.read_bytes() for path in (folder / MINE / out).glob("*.parquet")}


def _small_parts() -> None:
    histories.USERS_AT_ONCE = 100
    in_parts.ROWS_PER_PART = {"items": 300, "item": 300}


def _killed_in(seconds: float, lock: str) -> None:
    """Kill the process so long after it has opened its lock."""
    _small_parts()
    at_event(1, threading.Timer(seconds, killed).start, lock)


def _held(store: Path) -> Users:
    with open_store(store) as opened:
        return {
            user: code.tobytes() if has else None
            for users, codes, has_code in opened.batches(1000)
            for user, code, has in zip(users.to_pylist(), codes, has_code, strict=True)
        }
