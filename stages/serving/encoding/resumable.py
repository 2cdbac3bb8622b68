"""All users of some histories are encoded part by part: a part that is finished stays, however the process ends."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.run.errors import UserError, cannot_write
from stages.run.files import files
from stages.run.locks import locked
from stages.serving.encoding.encoder import Encoder
from stages.serving.encoding.histories import count_rows, read_histories
from stages.serving.encoding.parts import PATTERN, Codes, Origin, part, read_part, write_part
from stages.serving.ids import sorted_order
from stages.serving.package.package import Package

USERS_PER_PART = 2**21
"""At least, but for the last part."""


class Part(NamedTuple):
    """A part that is there."""

    path: Path
    users: int
    popular: int
    """Users without a code."""
    kept: bool
    """Whether it was there from an earlier run."""


def encode_histories(histories: Path, package: Package, folder: Path) -> Iterator[Part]:
    """Encode all users, one part after the other; the parts are whole when the iterator ends.

    A part that is there is kept if it is of the same package, the same histories and the same rows of them. Memory: a
    part's codes while it is made; the ids of all users at the end, to see that each is there once.

    Parameters
    ----------
    histories : a Parquet file or a folder of them, as in `read_histories`
    package : one with an encoder
    folder : where the parts go

    Raises
    ------
    UserError
        where the histories can't be read, hold no user, or hold one at two places; where the folder holds them or parts
        of something else, another process encodes into it, or it can't be written.
    """
    place, source = folder.resolve(), histories.resolve()
    # Parts would be taken for histories, or replace them.
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise UserError(f"the codes of {histories} can't go to {folder}; give a folder of their own, beside it")
    encoder, n_rows = Encoder(package), count_rows(histories)
    if not n_rows:
        raise UserError(f"{histories} holds no users; give histories of at least one")
    digest, row, number = _digest(histories), 0, 0
    with locked(folder):
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        if foreign := next((path for path in sorted(folder.glob(PATTERN)) if _is_foreign(path)), None):
            raise UserError(f"{foreign} is no part of codes, and would be replaced; give an empty or a new folder")
        while row < n_rows:
            path = part(folder, number)
            kept = _finished(path, package.digest, digest, row)
            if kept is None:
                codes, known, unknown, stop = _encoded(histories, package.items.ids, encoder, row)
                origin = Origin(package.digest, digest, row, stop, stop == n_rows)
                write_part(path, codes, known, unknown, origin)
            else:
                codes, origin = kept
            yield Part(path, len(codes.users), int((~codes.has_code).sum()), kept is not None)
            row, number = origin.stop, number + 1
        for left in set(folder.glob(PATTERN)) - {part(folder, place) for place in range(number)}:
            left.unlink()  # of histories with more users
        users = [read_part(part(folder, place))[0].users for place in range(number)]
        sorted_order(pa.concat_arrays(users), f"users of {histories}")  # each is there once


def _encoded(
    histories: Path, items: np.ndarray, encoder: Encoder, row: int
) -> tuple[Codes, np.ndarray, np.ndarray, int]:
    """The users from a row on: their codes, their known and unknown items, and the row at which the next begin."""
    found, n_users, stop = [], 0, row
    for batch in read_histories(histories, items, row):
        found.append((batch.users, encoder.encode(batch.interactions), batch.known, batch.unknown))
        n_users, stop = n_users + len(batch.users), batch.stop
        if n_users >= USERS_PER_PART:
            break
    of_users, codes, known, unknown = zip(*found, strict=True)
    has_code = np.concatenate(known) > 0
    coded = Codes(pa.concat_arrays(of_users), np.concatenate(codes), has_code)
    return coded, np.concatenate(known), np.concatenate(unknown), stop


def _finished(path: Path, package: str, histories: str, row: int) -> tuple[Codes, Origin] | None:
    """A part that is there, if it is what would be made."""
    try:
        codes, origin = read_part(path)
    except UserError:  # there is none, or it is damaged
        return None
    return (codes, origin) if origin[:3] == (package, histories, row) else None


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
