"""Something is made of all users of some histories, part by part: a part that is there stays, however it ends."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.params import ScaleSettings
from stages.run.errors import UserError, cannot_write
from stages.run.files import files
from stages.run.locks import locked
from stages.scale.engine import Failed, run_parts
from stages.serving.encoding.histories import LISTS, PAIRS, Piece, layout_of, parts_of, pieces_of
from stages.serving.encoding.parts import PATTERN, Origin, part, read_origin, write_table

ROWS_PER_PART = {LISTS: 2**19, PAIRS: 2**25}
"""About, of histories in lists and in pairs; the last part has fewer."""


class Task(NamedTuple):
    """A part that is to be there."""

    path: Path
    pieces: list[Piece]
    """Rows of the histories."""
    origin: Origin


class Part(NamedTuple):
    """A part that is there."""

    path: Path
    users: int
    popular: int
    """Users without a code."""
    kept: bool
    """Whether it was there from an earlier run."""


def in_parts(
    histories: Path,
    folder: Path,
    column: str,
    maker: str,
    begin: Callable[[], Callable[[Task], Part]],
    settings: ScaleSettings,
) -> Iterator[Part | Failed[Task]]:
    """Make a part of some users after the other; the folder is whole when the iterator ends without an error.

    This process reads the bytes of all histories once before anything is made: a minute for each hundred gigabytes or
    so, if the disk can. It reads no users but those at the borders of parts.

    Parameters
    ----------
    histories : a Parquet file or a folder of them, as in `pieces_of`
    folder : where the parts go; with a cluster, on a disk that all of it sees, as the histories
    column : which parts of this kind have, and of no other
    maker : digest of what makes parts of histories; a part that is there is kept if it is of the same, and of the same
        rows of the same files of the histories
    begin : makes what makes a part, or finds that it is there, once in each worker

    Raises
    ------
    UserError
        where the histories can't be read or hold no user; where the folder holds them or parts of something else,
        another process makes parts there, or it can't be written; or, once all others are there, where some parts
        can't be made, which were yielded as `Failed`.
    """
    histories, folder = histories.absolute(), folder.absolute()  # workers have another current folder
    place, source = folder.resolve(), histories.resolve()
    # Parts would be taken for histories, or replace them.
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise UserError(f"what is made of {histories} can't go to {folder}; give a folder of its own, beside it")
    pieces = pieces_of(histories)
    if not any(piece.stop for piece in pieces):
        raise UserError(f"{histories} holds no users; give histories of at least one")
    with locked(folder):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if foreign := next((path for path in sorted(folder.glob(PATTERN)) if _is_foreign(path, column)), None):
            raise UserError(f"{foreign} is something else, and would be replaced; give an empty or a new folder")
        tasks = _tasks(histories, pieces, maker, folder)
        failed = []
        for done in run_parts(settings, begin, tasks):
            yield done
            failed += [done] if isinstance(done, Failed) else []
        for left in set(folder.glob(PATTERN)) - {task.path for task in tasks}:
            left.unlink()  # of histories with more users
        if failed:
            first = min(failed)
            raise UserError(
                f"{len(failed):,} of {len(tasks):,} parts could not be made, the first, {first.task.path.name}, "
                f"because {first.said}; mend that, and run this again: the others are kept"
            )


def finished(task: Task) -> pa.Table | None:
    """A part that is there, if it is what would be made; it then says that it is of these histories."""
    try:
        with pq.ParquetFile(task.path, page_checksum_verification=True) as file:
            table = file.read()
        origin = read_origin(table.schema.metadata)
    except (OSError, ValueError):  # there is none, or it is damaged
        return None
    if origin.of_same_rows() != task.origin.of_same_rows():
        return None
    if origin != task.origin:
        write_table(task.path, table.replace_schema_metadata(task.origin.metadata()))
    return table


def _tasks(histories: Path, pieces: list[Piece], maker: str, folder: Path) -> list[Task]:
    digests = {file: _digest(file) for file in files(histories)}
    digest, tasks, start = _joined(digests, digests), [], 0
    parts = parts_of(pieces, ROWS_PER_PART[layout_of(pieces)])
    for number, rows in enumerate(parts):
        stop = start + sum(piece.stop - piece.first for piece in rows)
        of_files = _joined(digests, [piece.file for piece in rows])
        origin = Origin(maker, digest, start, stop, number == len(parts) - 1, of_files)
        tasks.append(Task(part(folder, number), rows, origin))
        start = stop
    return tasks


def _is_foreign(path: Path, column: str) -> bool:
    """Whether it is Parquet of something else; a damaged part is not."""
    try:
        schema = pq.read_schema(path)
        return b"package" not in (schema.metadata or {}) or column not in schema.names
    except (OSError, ValueError):
        return False


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _joined(digests: dict[Path, str], of_files: Iterable[Path]) -> str:
    """Digest of the names and bytes of files."""
    digest = hashlib.sha256()
    for file in of_files:
        digest.update(f"{file.name} {digests[file]}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
