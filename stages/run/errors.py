"""Errors that the user can fix."""

import os
import reprlib
from pathlib import Path

OUT_OF_MEMORY = (
    "this machine is out of memory; free some, or take one with more (a training needs less with a lower batch_size or "
    "hidden in params.yaml)"
)
LONGEST_QUOTE = 100
LONGEST_LINE = 2000


class UserError(Exception):
    """An error that the user can fix; its message says in one sentence what is wrong, where, and what to do.

    A stage prints it without a traceback and exits with status 1.
    """


class DivergedError(UserError):
    """Raised when the loss or a weight of a training is no longer finite."""


def cannot_write(path: Path, error: OSError) -> UserError:
    """For a file or folder whose writing the operating system refused."""
    kept = "; what was there before is untouched" if os.path.lexists(path) else ""
    return UserError(f"cannot write {path}: {reason(error)}; make room or give access, and run this again{kept}")


def reason(error: OSError) -> str:
    """What the operating system says."""
    return os.strerror(error.errno) if error.errno else str(error)


class _Quotes(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = LONGEST_QUOTE
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        return repr(x) if abs(x) < 10**LONGEST_QUOTE else f"a number of {x.bit_length():,} bits"


_QUOTES = _Quotes()


def quoted(value: object) -> str:
    """A value from the user's files for a message: as Python writes it, but cut, however large it is."""
    text = _QUOTES.repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def printable(message: str) -> str:
    """A message for a terminal, on which names from the user's files and archives can't act as commands."""
    lines = [line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in message.split("\n")]
    return "".join(
        mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape").decode()
        for mark in "\n".join(lines)
    )
