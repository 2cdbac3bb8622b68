"""One process writes a file or folder at a time; a lock ends with its process, however that ends."""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from stages.run.errors import UserError, cannot_write

PATIENCE = 0.5
"""Seconds; as long as it takes to give a lock back."""
LONGEST_COMMAND = 300
"""Characters of the owner's command that are shown."""


@contextmanager
def locked(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keep other processes from writing a file or folder, by a lock file beside it.

    Parameters
    ----------
    patience : how long to wait for another process, in seconds

    Raises
    ------
    UserError
        where another process, which is named, has the lock; or where there can be no lock file.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=patience)
        command = shlex.join(sys.orig_argv)
        shown = command if len(command) <= LONGEST_COMMAND else f"{command[:LONGEST_COMMAND]}…"
        file.write_text(f"{os.getpid()} ({shown})", encoding="utf-8", errors="surrogateescape")
    except Timeout as error:
        raise UserError(
            f"{path} is being written by process {_owner(file)}; wait until that ends, or end it"
        ) from error
    except OSError as error:
        lock.release()
        raise cannot_write(path, error) from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)  # before another can have it: whoever gets a file that is gone tries again
        lock.release()


def _owner(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace") or "unknown"
    except OSError:
        return "unknown"
