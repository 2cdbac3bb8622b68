"""Commands that are killed, run out of disk, or may not write; the next run has to end as if nothing had been."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from tests.faults.outcomes import Case, Found, Outcome, judged
from tests.faults.processes import Running, at_event, killed, limited_files, run, without_privileges
from tests.faults.workplace import Workplace, leftovers

WRITERS = [
    "download@tiny", "preprocess@tiny", "fit@tiny", "train@tiny-dae-8", "train@tiny-rq-vae", "quantize@tiny-dae-8",
    "evaluate@tiny", "evaluate-quantized@tiny-dae-8", "quantize-items@tiny-dae-8", "refit@tiny-dae-8",
    "budget@tiny-rq-vae", "encode@tiny", "evaluate-serving@tiny", "report@tiny", "sweep", "study", "encode_users",
    "recommend", "draw",
]  # fmt: skip
LONG = ["train@tiny-rq-vae", "sweep", "study", "refit@tiny-dae-8", "report@tiny"]
SIZES = [300, 1_000, 3_000, 10_000, 30_000, 100_000]
"""Bytes to which files may grow, or which a disk has left."""
OPTUNA = 90.0
"""Seconds for a run after a kill: Optuna gives a dead process's lock up after 30."""
OLD = b"old\n"


def kills(workplace: Workplace, names: list[str], share: float, moments: int) -> Iterator[Case]:
    """Kills before events of the file system: all of them, or a share; and at random moments of long commands."""
    for name in names:
        random = Random(name)
        events = workplace.events(name)
        for number in range(1, events + 1):
            if random.random() < share:
                yield Case("kill at an event", f"{name}: event {number} of {events}", partial(_killed, name, number))
        if name in LONG:
            for _ in range(moments):
                share_of_time = random.random()
                what = f"{name}: after {share_of_time:.0%} of its time"
                yield Case("kill at a moment", what, partial(_killed_after, name, share_of_time))


def full_disks(workplace: Workplace, names: list[str], share: float) -> Iterator[Case]:
    """Files that may not grow, and a disk that is full."""
    mountable = can_mount(workplace.folder)
    if not mountable:
        print("full disk: not tried, as this user may not mount one")
    for name in names:
        random = Random(name)
        for size in SIZES:
            if random.random() < share:
                yield Case("limit of file size", f"{name}: {size} bytes", partial(_limited, name, size))
            if mountable and random.random() < share:
                yield Case("full disk", f"{name}: {size} bytes left", partial(_full, name, size))


def forbidden(names: list[str]) -> Iterator[Case]:
    """Folders in which nothing may be made."""
    for name in names:
        yield Case("read-only folder", name, partial(_read_only, name))


def _begin(workplace: Workplace, folder: Path, name: str, number: int) -> dict[Path, bytes]:
    """Set a command to its beginning, without its outputs, as DVC does, or with old ones; what is there now."""
    command = workplace.commands[name]
    workplace.begin(folder, name)
    keeps = name == "draw"  # it reads its tables there
    for path in [] if keeps else workplace.files(folder, command.outs):
        if number % 2:
            (folder / path).unlink()
        else:
            (folder / path).write_bytes(OLD)
    if number % 2 and not keeps:
        for out in command.outs:
            shutil.rmtree(folder / out, ignore_errors=True)
    return {path: (folder / path).read_bytes() for path in workplace.files(folder, command.outs)}


def _half_written(workplace: Workplace, folder: Path, name: str, before: dict[Path, bytes]) -> str:
    """The output that is neither as before, nor new, nor missing as a whole."""
    for out in workplace.commands[name].outs:
        paths = workplace.files(folder, [out])
        now = {path: (folder / path).read_bytes() for path in paths}
        old = {path: content for path, content in before.items() if path.is_relative_to(out)}
        new = {
            path: (workplace.undisturbed / path).read_bytes() for path in workplace.files(workplace.undisturbed, [out])
        }
        if now and now not in (old, new):
            return f"{out}: {len(now)} files are there, {len(old)} were, {len(new)} should be"
    return ""


def _recovered(workplace: Workplace, folder: Path, name: str) -> Found:
    again = run(folder, workplace.commands[name].words, limit=OPTUNA)
    if found := judged(again):
        return found if found.outcome is Outcome.HANG else Found(Outcome.STUCK, found.shown)
    if changed := workplace.changed(folder):
        return Found(Outcome.WRONG, f"run again: {', '.join(map(str, changed[:3]))} differ")
    if left := leftovers(folder):
        return Found(Outcome.LEFTOVERS, ", ".join(map(str, left[:3])))
    return Found(Outcome.HARMLESS)


def _killed(name: str, number: int, workplace: Workplace, folder: Path) -> Found:
    before = _begin(workplace, folder, name, number)
    ended = run(folder, workplace.commands[name].words, partial(at_event, number, killed))
    return _after_kill(workplace, folder, name, before, ended.said)


def _killed_after(name: str, share_of_time: float, workplace: Workplace, folder: Path) -> Found:
    before = _begin(workplace, folder, name, int(share_of_time * 1000))
    running = Running(folder, workplace.commands[name].words)
    time.sleep(share_of_time * workplace.seconds[name])
    running.kill()
    return _after_kill(workplace, folder, name, before, running.end().said)


def _after_kill(workplace: Workplace, folder: Path, name: str, before: dict[Path, bytes], said: str) -> Found:
    if half := _half_written(workplace, folder, name, before):
        return Found(Outcome.HARMED, f"{half}; {said[-200:]}")
    found = _recovered(workplace, folder, name)
    return found._replace(shown=f"{found.shown}; {said.strip()[-200:]}")


def _limited(name: str, size: int, workplace: Workplace, folder: Path) -> Found:
    before = _begin(workplace, folder, name, size // 100)
    ended = run(folder, workplace.commands[name].words, partial(limited_files, size))
    found = judged(ended, "File too large|annot write")
    return _after_failure(workplace, folder, name, before, found)


def _full(name: str, size: int, workplace: Workplace, folder: Path) -> Found:
    disk = folder.with_name(f"{folder.name}-disk")
    with mounted(disk) as on_disk:
        place = on_disk / "place"
        shutil.copytree(folder, place, symlinks=True)
        before = _begin(workplace, place, name, size // 100)
        (place / "tmp").mkdir(exist_ok=True)
        left = shutil.disk_usage(disk).free
        with (disk / "filler").open("wb") as filler:
            filler.write(bytes(max(0, left - size)))
        ended = run(place, workplace.commands[name].words)
        (disk / "filler").unlink()
        return _after_failure(workplace, place, name, before, judged(ended, "No space left|annot write"))


def _read_only(name: str, workplace: Workplace, folder: Path) -> Found:
    before = _begin(workplace, folder, name, 0)
    parents = {(folder / out).parent for out in workplace.commands[name].outs}
    for parent in parents:
        parent.mkdir(parents=True, exist_ok=True)
        parent.chmod(0o555)
    ended = run(folder, workplace.commands[name].words, without_privileges)
    for parent in parents:
        parent.chmod(0o755)
    return _after_failure(workplace, folder, name, before, judged(ended, "ermission"))


def _after_failure(
    workplace: Workplace, folder: Path, name: str, before: dict[Path, bytes], found: Found | None
) -> Found:
    if found and found.outcome is not Outcome.SENTENCE:
        return found
    if half := _half_written(workplace, folder, name, before):
        return Found(Outcome.HARMED, f"{half}; {found}")
    recovered = _recovered(workplace, folder, name)
    return found if found and recovered.outcome is Outcome.HARMLESS else recovered


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def can_mount(folder: Path) -> bool:
    if os.getuid():
        return False
    try:
        with mounted(folder / "disk"):
            return True
    except (OSError, subprocess.CalledProcessError):
        (folder / "disk").rmdir()
        return False
