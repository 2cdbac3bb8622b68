"""All users of some histories are encoded part by part: a part that is finished stays, however the process ends."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.params import ScaleSettings
from stages.run.errors import UserError, cannot_write
from stages.run.files import files
from stages.run.locks import locked
from stages.scale.engine import LOCAL, Failed, run_parts
from stages.serving.encoding.encoder import Encoder, check_encoder
from stages.serving.encoding.histories import (
    LISTS,
    PAIRS,
    Piece,
    layout_of,
    parts_of,
    pieces_of,
    read_histories,
)
from stages.serving.encoding.parts import PATTERN, Codes, Origin, part, read_part, write_part
from stages.serving.ids import sorted_order
from stages.serving.package.package import Package

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


def encode_histories(
    histories: Path, package: Package, folder: Path, settings: ScaleSettings = LOCAL
) -> Iterator[Part | Failed]:
    """Encode all users, part by part; the folder is whole when the iterator ends without an error.

    A part that is there is kept if it is of the same package, the same histories and the same rows of them. Memory: a
    part's codes while it is made; the ids of all users at the end, to see that each is there once.

    Parameters
    ----------
    histories : a Parquet file or a folder of them, as in `pieces_of`
    package : one with an encoder
    folder : where the parts go; with a cluster, on a disk that all of it sees, as the histories

    Raises
    ------
    UserError
        where the histories can't be read, hold no user, or hold one at two places; where the folder holds them or parts
        of something else, another process encodes into it, or it can't be written; or, once all others are there, where
        some parts can't be made, which were yielded as `Failed`.
    """
    place, source = folder.resolve(), histories.resolve()
    # Parts would be taken for histories, or replace them.
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise UserError(f"the codes of {histories} can't go to {folder}; give a folder of their own, beside it")
    check_encoder(package)
    pieces = pieces_of(histories)
    if not any(piece.stop for piece in pieces):
        raise UserError(f"{histories} holds no users; give histories of at least one")
    with locked(folder):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if foreign := next((path for path in sorted(folder.glob(PATTERN)) if _is_foreign(path)), None):
            raise UserError(f"{foreign} is no part of codes, and would be replaced; give an empty or a new folder")
        tasks = _tasks(histories, pieces, package.digest, folder)
        failed = []
        for done in run_parts(settings, partial(_Encoding, package), tasks):
            yield done
            failed += [done] if isinstance(done, Failed) else []
        for left in set(folder.glob(PATTERN)) - {task.path for task in tasks}:
            left.unlink()  # of histories with more users
        if failed:
            raise UserError(
                f"{len(failed):,} of {len(tasks):,} parts could not be made, the first as {failed[0].said}; mend that, "
                "and run this again: the others are kept"
            )
        users = [read_part(task.path)[0].users for task in tasks]
        sorted_order(pa.concat_arrays(users), f"users of {histories}")  # each is there once


def _tasks(histories: Path, pieces: list[Piece], package: str, folder: Path) -> list[Task]:
    digest, tasks, start = _digest(histories), [], 0
    parts = parts_of(pieces, ROWS_PER_PART[layout_of(pieces)])
    for number, rows in enumerate(parts):
        stop = start + sum(piece.stop - piece.first for piece in rows)
        origin = Origin(package, digest, start, stop, number == len(parts) - 1)
        tasks.append(Task(part(folder, number), rows, origin))
        start = stop
    return tasks


class _Encoding:
    """Makes parts, with an encoder that is made once."""

    def __init__(self, package: Package) -> None:
        self.encoder, self.items = Encoder(package), package.items.ids

    def __call__(self, task: Task) -> Part:
        codes = _finished(task)
        kept = codes is not None
        if codes is None:
            codes = self._encoded(task)
        return Part(task.path, len(codes.users), int((~codes.has_code).sum()), kept)

    def _encoded(self, task: Task) -> Codes:
        found = [
            (batch.users, self.encoder.encode(batch.interactions), batch.known, batch.unknown)
            for batch in read_histories(task.pieces, self.items)
        ]
        of_users, codes, known, unknown = zip(*found, strict=True)
        coded = Codes(pa.concat_arrays(of_users), np.concatenate(codes), np.concatenate(known) > 0)
        write_part(task.path, coded, np.concatenate(known), np.concatenate(unknown), task.origin)
        return coded


def _finished(task: Task) -> Codes | None:
    """A part that is there, if it is what would be made."""
    try:
        codes, origin = read_part(task.path)
    except UserError:  # there is none, or it is damaged
        return None
    return codes if origin == task.origin else None


def _is_foreign(path: Path) -> bool:
    """Whether it is Parquet of something else; a damaged part of codes is not."""
    try:
        return b"package" not in (pq.read_schema(path).metadata or {})
    except (OSError, ValueError):
        return False


def _digest(histories: Path) -> str:
    """Of the names and bytes of all files."""
    digest = hashlib.sha256()
    for file in files(histories):
        with file.open("rb") as opened:
            digest.update(
                f"{file.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode(errors="surrogateescape")
            )
    return digest.hexdigest()
