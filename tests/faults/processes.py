"""Commands as processes of their own, stopped or harmed at events of the file system.

Each is forked from a process that has imported PyTorch and all stages: that takes longer than most stages.
"""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, RLock
from typing import NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).parents[2]
LIMIT = 60.0
"""Seconds after which a process hangs; none takes 4."""
STARTING = Lock()
"""To start a process asks how others ended, and only the first to ask is told."""
CONTEXT = multiprocessing.get_context("forkserver")
Prepare = Callable[[], None]
"""Called in the process before its command."""

EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.utime"}


class Ended(NamedTuple):
    """What is left of a process."""

    status: int | None
    """None if it hung, negative if a signal ended it."""
    said: str
    """On both streams."""


class Running:
    """A process that runs `python -m <command>` in a folder."""

    def __init__(self, folder: Path, command: list[str], prepare: Prepare | None = None) -> None:
        start_server()
        self.reader, writer = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=_command, args=(folder, command, writer, prepare))
        with STARTING:
            self.process.start()
        writer.close()
        self.said = b""

    def until(self, text: str, limit: float = LIMIT) -> bool:
        """Wait until it says this; False if it ends before, or hangs."""
        while text.encode() not in self.said:
            if not self._read(limit):
                return False
        return True

    def end(self, limit: float = LIMIT) -> Ended:
        end = time.monotonic() + limit
        while self._read(end - time.monotonic()):
            pass
        hangs = time.monotonic() > end
        if hangs:
            self.kill()
        with STARTING:
            self.process.join()
        self.reader.close()
        return Ended(None if hangs else self.process.exitcode, self.said.decode(errors="replace"))

    def kill(self) -> None:
        self.process.kill()

    def signal(self, number: int) -> None:
        if self.process.pid:
            os.kill(self.process.pid, number)

    def _read(self, limit: float) -> bool:
        """Read what it says next; False at its end, or where it says nothing for so long."""
        if not select.select([self.reader], [], [], max(0, limit))[0]:
            return False
        block = os.read(self.reader.fileno(), 65536)
        self.said += block
        return bool(block)


def run(folder: Path, command: list[str], prepare: Prepare | None = None, limit: float = LIMIT) -> Ended:
    return Running(folder, command, prepare).end(limit)


def run_afresh(
    folder: Path, command: list[str], environment: dict[str, str], memory: int | None = None, limit: float = LIMIT
) -> Ended:
    """Run it from a new Python, with an environment and perhaps a limit of memory in bytes."""
    try:
        ended = subprocess.run(
            [sys.executable, "-m", *command], cwd=folder, capture_output=True, timeout=limit, check=False,
            env={**os.environ, **environment}, preexec_fn=partial(_limit_memory, memory),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Ended(None, "")
    return Ended(ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace"))


def start_server() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    modules = [*(ROOT / "stages").glob("*.py"), *(ROOT / "stages/commands").glob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules]
    CONTEXT.set_forkserver_preload(["torch._dynamo", "tests.faults.processes", *sorted(names)])
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()


def _command(folder: Path, command: list[str], writer: Connection, prepare: Prepare | None) -> None:
    os.chdir(folder)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(writer.fileno(), number)
        stream = os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
    writer.close()
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = os.environ["MPLCONFIGDIR"] = str(temporary)
    tempfile.tempdir = None
    tqdm.set_lock(RLock())  # its own has semaphores, of which a killed process leaves some behind
    if prepare:
        prepare()
    sys.argv = command
    warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
    runpy.run_module(command[0], run_name="__main__")


def at_event(number: int, act: Prepare, below: str = "", kind: str = "") -> None:
    """Act before the process changes the file system for the n-th time in its folder, and say what it changes.

    Parameters
    ----------
    number : 0 for every time
    below : counts only changes of paths that hold this
    kind : counts only events of this name
    """
    folder, count = str(Path.cwd()), 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if (event in EVENTS or (event == "open" and _writes(arguments))) and kind in event:
            paths = [os.path.abspath(os.fsdecode(a)) for a in arguments[:2] if isinstance(a, str | bytes)]  # noqa: PTH100
            if any(path.startswith(folder) and below in path for path in paths):
                count += 1
                if number in (0, count):
                    names = " ".join(path.removeprefix(folder + os.sep) for path in paths)
                    os.write(2, f"event {count}: {event} {names}\n".encode())
                    act()

    sys.addaudithook(hook)


def _writes(arguments: tuple[object, ...]) -> bool:
    path, _, flags = arguments
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    return isinstance(path, str | bytes) and isinstance(flags, int) and bool(flags & writing)


def nothing() -> None:
    pass


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def replaced(path: Path, text: str) -> None:
    """As an editor saves."""
    new = path.with_name("new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def limited_files(size: int) -> None:
    """No file may grow beyond a size: a full disk, as each write sees it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_privileges() -> None:
    """Root may do anything; without these capabilities it is stopped by what stops others."""
    if os.getuid() == 0:
        library = ctypes.CDLL(None)
        header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert library.capget(header, sets) == 0
        for of in range(3):  # effective, permitted, inheritable: without DAC_OVERRIDE, DAC_READ_SEARCH and FOWNER
            sets[of] &= ~0b1110
        assert library.capset(header, sets) == 0


def _limit_memory(size: int | None) -> None:
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
