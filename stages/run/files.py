"""Files and folders that are written completely or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.run.digests import write_digests
from stages.run.errors import UserError

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of a write that do not name the file: disk full, quota, limit on file size, input/output error."""


def files(path: Path) -> list[Path]:
    """The file itself, or all files under the folder, sorted, without hidden ones (names that start with . or _)."""
    if path.is_file():
        return [path]
    below = sorted(file for file in path.rglob("*") if file.is_file())
    return [file for file in below if not any(name.startswith((".", "_")) for name in file.relative_to(path).parts)]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; it replaces `path` if the block succeeds, and is removed if not.

    Raises
    ------
    UserError
        where `path` can't be written; other errors in the block, such as a failed read, pass through unchanged.
    """
    temporary = _temporary(path)
    with _write_errors(path, temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, with_digests: bool = True) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; it replaces `path` if the block succeeds, and is removed if not.

    Parameters
    ----------
    with_digests : whether digests.json is added, by which `checked` reads the files; not beside files of the user's

    Raises
    ------
    UserError
        as in `whole_file`.
    """
    temporary, old = _temporary(path), path.with_name(f".{path.name}.old.part")
    with _write_errors(path, temporary):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if with_digests:
                write_digests(temporary, path.name)
            # A folder can't replace a non-empty one in one step, so the old one is moved aside first.
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                path.replace(old)
            try:
                temporary.replace(path)
            except OSError:
                old.replace(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    # Always the same name, so that leftovers of a killed process are overwritten.
    return path.with_name(f".{path.name}.part")


@contextmanager
def _write_errors(path: Path, temporary: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        named = None if error.filename is None else Path(os.fsdecode(error.filename))
        if error.errno not in DISK_ERRORS and (named is None or not _concerns(named, path, temporary)):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot write {path}: {reason}; make room or give access, and run this again") from error


def _concerns(named: Path, path: Path, temporary: Path) -> bool:
    """Whether an error's file is the one being written, a folder above it, or inside the temporary folder."""
    return named in (path, temporary, *path.parents) or temporary in named.parents
