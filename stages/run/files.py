"""Files and folders that are written completely or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.run.digests import write_digests
from stages.run.errors import UserError, cannot_write
from stages.run.locks import PATIENCE, locked
from stages.run.paths import RAW
from stages.run.watch import check_unchanged

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of writes alone, which may name the file that was read: disk full, quota, limit on file size."""

TEMPORARY, OLD = ".part", ".old"
"""Ends of hidden names: of what is being written, and before it of what is being replaced."""


def files(path: Path) -> list[Path]:
    """The file itself, or all files below the folder, sorted, without hidden ones (names that start with . or _).

    Links are followed, but not back to a folder above them.

    Raises
    ------
    UserError
        where a link leads nowhere, or something is neither a file nor a folder.
    OSError
        where a folder can't be read.
    """
    if not path.is_dir():
        return [_regular(path)]
    return sorted(_below(path, {_identity(path)}))


def _below(folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
    """Files below a folder; above : the folders on the way to it, and itself."""
    for path in folder.iterdir():
        if path.name.startswith((".", "_")):
            continue
        if not path.is_dir():
            yield _regular(path)
        elif _identity(path) not in above:
            yield from _below(path, above | {_identity(path)})


def _regular(path: Path) -> Path:
    if path.is_file():
        return path
    what = "a link to nothing" if path.is_symlink() and not path.exists() else "no regular file"
    raise UserError(f"{path} is {what}; put the file itself there, or remove it")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def whole_file(path: Path, patience: float = PATIENCE) -> Iterator[Path]:
    """Yield a temporary path next to `path`; it replaces `path` if the block succeeds, and is removed if not.

    Parameters
    ----------
    patience : how long to wait for another process that writes it, in seconds

    Raises
    ------
    UserError
        where `path` can't be written, or another process writes it; other errors in the block, such as a failed read,
        pass through unchanged.
    """
    temporary = _temporary(path)
    with locked(path, patience):
        try:
            _remove(temporary)
            with _write_errors(path, temporary):
                yield temporary
            with _write_errors(path):
                temporary.replace(path)
        finally:
            _remove(temporary)


@contextmanager
def whole_folder(path: Path, with_digests: bool = True) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; it replaces `path` if the block succeeds, and is removed if not.

    Parameters
    ----------
    with_digests : whether digests.json is added, by which `checked` reads the files; not beside files of the user's

    Raises
    ------
    UserError
        as in `whole_file`; or where the settings or the code of this stage were changed while it ran.
    """
    with temporary_folder(path) as temporary:
        yield temporary
        if with_digests:
            write_digests(temporary, path.name)
        check_unchanged()
        with _write_errors(path):
            _replace(path, temporary)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder next to `path`, which is removed at the end.

    Raises
    ------
    UserError
        as in `whole_file`.
    """
    temporary = _temporary(path)
    with locked(path):
        try:
            with _write_errors(path):
                _remove(temporary)
                temporary.mkdir()
            with _write_errors(path, temporary):
                yield temporary
        finally:
            _remove(temporary)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder or below; a process that still runs keeps its own.

    Raw ratings are passed over: a user may have put files there that are named alike.
    """
    for leftover in sorted(folder.rglob(f".*{TEMPORARY}")):
        if RAW in leftover.relative_to(folder).parts:
            continue
        path = leftover.with_name(leftover.name[1 : -len(TEMPORARY)].removesuffix(OLD))
        if leftover.exists():  # it did not go with a folder above it
            with suppress(UserError, OSError), locked(path):
                if leftover == _old(path) and not path.exists():
                    leftover.replace(path)  # killed in the moment when there was neither the old one nor the new one
                _remove(leftover)


def _replace(path: Path, temporary: Path) -> None:
    """Put a folder in the place of another one."""
    # A folder can't replace a non-empty one in one step, so the old one is moved aside first.
    old = _old(path)
    _remove(old)
    if path.exists():
        path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if there is one and it can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _temporary(path: Path) -> Path:
    # Always the same name, so that leftovers of a killed process are overwritten.
    return path.with_name(f".{path.name}{TEMPORARY}")


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}{OLD}{TEMPORARY}")


@contextmanager
def _write_errors(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Say an error as one of writing `path`: every error of the system, or only those that concern `temporary`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        cause: BaseException | None = error  # PyTorch raises an error of its own on top of the system's
        while cause is not None:
            if isinstance(cause, OSError) and (temporary is None or _concerns(cause, temporary)):
                raise cannot_write(path, cause) from error
            cause = cause.__cause__ or cause.__context__
        raise


def _concerns(error: OSError, temporary: Path) -> bool:
    """Whether a write to the temporary file or folder, or into it, failed."""
    if error.errno in DISK_ERRORS:
        return True
    named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    return any(temporary in (path, *path.parents) for path in named)
