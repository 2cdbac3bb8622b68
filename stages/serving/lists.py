"""The best items of everybody, part by part: what is done stays, however the process ends."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.run.errors import UserError, cannot_write
from stages.run.files import whole_file
from stages.run.locks import locked
from stages.serving.ids import Kind, as_ids
from stages.serving.package.package import Package
from stages.serving.scoring.popularity import Popularity
from stages.serving.scoring.scorer import Scorer, check_n

OWN = re.compile(r"[0-9]{6}\.parquet|\..*")
"""Names of parts, and of what a killed process left of one."""
INPUTS = b"inputs"
"""Key of a part's metadata: the digest of all that it was made from."""


class Users(NamedTuple):
    """Some of all users."""

    ids: pa.Array
    """int64 or text (n,)."""
    codes: np.ndarray
    """uint8 (n, n_bytes)."""
    coded: np.ndarray
    """bool (n,), whether each has a code."""
    seen: list[np.ndarray]
    """Columns that are left out, of each."""


class Written(NamedTuple):
    """What is in the file."""

    users: int
    popular: int
    """Users without a code: they have the most popular items."""
    kept: int
    """Users whose part was there from an earlier run."""


def write_lists(batches: Iterable[Users], package: Package, scorer: Scorer, n: int, path: Path) -> Written:
    """Write the n best items of everybody to a Parquet file: columns user, items, scores and popular.

    Each batch becomes a part in the folder `<path>.parts`, which is removed at the end. A part that was made from the
    same users, codes, items to leave out, package and way of scoring is not made again.

    Parameters
    ----------
    batches : the same each time, in the same order
    n : items per user; a user with fewer items left has a shorter list

    Raises
    ------
    UserError
        where a file can't be written, another process writes it, or the folder of parts holds something else; or as in
        `Scorer.top`.
    """
    check_n(n, len(package.items.ids))
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file")
    parts, written = path.with_name(f"{path.name}.parts"), Written(0, 0, 0)
    popularity, done = Popularity(package.items), []
    with locked(parts):
        try:
            parts.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(parts, error) from error
        if others := [entry.name for entry in parts.iterdir() if not OWN.fullmatch(entry.name)]:
            raise UserError(
                f"{parts} is for parts of these lists, and holds {others[0]}; move that, or give another name"
            )
        for number, users in enumerate(batches):
            part, inputs = parts / f"{number:06}.parquet", _digest(users, package, scorer, n)
            kept = _inputs_of(part) == inputs
            if not kept:
                table = lists_of(users, package, scorer, popularity, n)
                with whole_file(part) as temporary:
                    pq.write_table(table.replace_schema_metadata({INPUTS: inputs}), temporary, write_page_checksum=True)
            done.append(part)
            written = Written(
                written.users + len(users.ids),
                written.popular + int((~users.coded).sum()),
                written.kept + kept * len(users.ids),
            )
        if not done:
            raise UserError(f"there is nobody to recommend to, so {path} was not written; store users first")
        with whole_file(path) as temporary:
            _join(done, temporary)
        shutil.rmtree(parts)
    return written


def lists_of(users: Users, package: Package, scorer: Scorer, popularity: Popularity, n: int) -> pa.Table:
    """Columns user, items, scores and popular; parameters and errors as of `write_lists`."""
    items = np.empty((len(users.ids), n), np.int64)
    scores = np.empty((len(users.ids), n), np.float32)
    of_coded, of_others = (
        [users.seen[user] for user in np.flatnonzero(chosen)] for chosen in (users.coded, ~users.coded)
    )
    items[users.coded], scores[users.coded] = scorer.top(users.codes[users.coded], n, of_coded)
    items[~users.coded], scores[~users.coded] = popularity.top(len(of_others), n, of_others)
    shown = items >= 0
    kind: Kind = "text" if package.items.ids.dtype == object else "integers"
    ends = pa.array(np.concatenate([[0], shown.sum(1).cumsum()]), pa.int32())
    return pa.table(
        {
            "user": users.ids,
            "items": pa.ListArray.from_arrays(ends, as_ids(package.items.ids[items[shown]], "items", kind)),
            "scores": pa.ListArray.from_arrays(ends, pa.array(scores[shown])),
            "popular": pa.array(~users.coded),
        }
    )


def _digest(users: Users, package: Package, scorer: Scorer, n: int) -> bytes:
    """Of all that decides a part."""
    digest = hashlib.sha256(json.dumps([package.digest, scorer.name, n, users.ids.to_pylist()]).encode())
    lengths = np.array([len(columns) for columns in users.seen], np.int64)
    seen = np.concatenate([*users.seen, np.zeros(0, np.int64)]).astype(np.int64)
    for values in (users.codes, users.coded, lengths, seen):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest().encode()


def _inputs_of(part: Path) -> bytes | None:
    """The digest in a part that an earlier run left; None where there is none, or a damaged one."""
    try:
        with pq.ParquetFile(part, page_checksum_verification=True) as file:
            file.read()
            return file.schema_arrow.metadata[INPUTS]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _join(parts: list[Path], path: Path) -> None:
    with pq.ParquetWriter(path, pq.read_schema(parts[0]).remove_metadata()) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part).replace_schema_metadata(None))
