"""Users' histories in Parquet, read in bounded memory and mapped to the columns of a package.

A file, or a folder of files, holds users in one of two ways: column `user` and a list column `items`, one row per user;
or columns `user` and `item`, one row per pair, all rows of a user one after the other. Ids are integers or text.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from stages.run.errors import UserError, quoted
from stages.run.files import files
from stages.serving.ids import Kind, as_ids, kind_of

USER, LISTS, PAIRS = "user", "items", "item"
USERS_AT_ONCE, PAIRS_AT_ONCE = 2**13, 2**20
"""Rows that are read at once, of lists and of pairs."""


class Histories(NamedTuple):
    """Some users, in the order of the file."""

    users: pa.Array
    """int64 or large_string (n,)."""
    interactions: csr_array
    """float32 (n, n_items), 0/1: the items that the package knows."""
    known: np.ndarray
    """int32 (n,): different items that the package knows."""
    unknown: np.ndarray
    """int32 (n,): different items that it does not know."""


class Piece(NamedTuple):
    """Some rows of a file."""

    file: Path
    first: int
    stop: int
    """The first row that does not belong to it."""


def pieces_of(path: Path) -> list[Piece]:
    """All rows of a file, or of the files of a folder in the order of their names.

    Raises
    ------
    UserError
        where there is none, or one is no Parquet, lacks a column, or has one of another type.
    """
    if not path.exists():
        raise UserError(f"there is no {path}; give a Parquet file of histories, or a folder of such files")
    return [Piece(file, 0, _opened(file).metadata.num_rows) for file in files(path)]


def parts_of(pieces: list[Piece], n_rows: int) -> list[list[Piece]]:
    """The same rows in parts of about `n_rows`, between which no user is divided; errors as in `read_histories`."""
    total = sum(piece.stop - piece.first for piece in pieces)
    borders = [0]
    for row in range(n_rows, total, n_rows):
        if row > borders[-1]:
            borders.append(_border(pieces, row))
    borders = [border for border in borders if border < total] + [total]
    return [_between(pieces, first, stop) for first, stop in pairwise(borders)]


def layout_of(pieces: list[Piece]) -> str:
    """`LISTS` or `PAIRS`, by the first file."""
    return LISTS if LISTS in _opened(pieces[0].file).schema_arrow.names else PAIRS


def read_histories(pieces: list[Piece], items: np.ndarray) -> Iterator[Histories]:
    """Read the users of some rows, some thousand at once; an item that a user has twice counts once.

    Parameters
    ----------
    pieces : whose first user does not begin before, and whose last one does not go on behind them
    items : (n_items,) ids of the package's items: int64, or object of text

    Raises
    ------
    UserError
        where a file is damaged, or holds a missing id or ids of another kind than the package.
    """
    kind: Kind = "text" if items.dtype == object else "integers"
    catalogue = pd.Index(items)  # Arrow's index_in would hash all of it again for every batch
    kind_of_users: Kind | None = None
    kept: tuple[pa.Array, pa.Array] | None = None
    for file, batch in _batches(pieces):
        of_items = f"items of {file}"
        users = as_ids(batch[USER], f"users of {file}", kind_of_users)
        kind_of_users = kind_of(users)
        if LISTS in batch.schema.names:
            lists = batch[LISTS]
            if lists.null_count:
                user = users[_null(lists)].as_py()
                raise UserError(f"{of_items}: the list of user {quoted(user)} is missing (null)")
            yield _mapped(users, lists.value_lengths().to_numpy(), as_ids(lists.flatten(), of_items, kind), catalogue)
            continue
        values = as_ids(batch[PAIRS], of_items, kind)
        if kept is not None:  # the last user goes on
            users, values = pa.concat_arrays([kept[0], users]), pa.concat_arrays([kept[1], values])
        starts = np.flatnonzero(np.append(True, _changes(users)))
        last = int(starts[-1])
        kept = users[last:], values[last:]
        if last:
            yield _mapped(users.take(pa.array(starts[:-1])), np.diff(starts), values[:last], catalogue)
    if kept is not None:
        yield _mapped(kept[0][:1], np.array([len(kept[1])]), kept[1], catalogue)


def _border(pieces: list[Piece], row: int) -> int:
    """The first row from `row` on that does not go on with the user before it."""
    before, place = None, row - 1
    (at, *_), *_ = _between(pieces, place, row)
    if LISTS in _opened(at).schema_arrow.names:  # a user is one row, which need not be read
        return row
    for file, batch in _batches(_between(pieces, place, sum(piece.stop - piece.first for piece in pieces))):
        if LISTS in batch.schema.names:
            return max(place, row)
        users = as_ids(batch[USER], f"users of {file}")
        if before is not None and users[0] != before:
            return place
        changes = np.flatnonzero(_changes(users))
        if len(changes):
            return place + int(changes[0]) + 1
        before, place = users[-1], place + len(batch)
    return place


def _between(pieces: list[Piece], first: int, stop: int) -> list[Piece]:
    """The rows from `first` to `stop`, counted through all pieces."""
    found, row = [], 0
    for file, start, end in pieces:
        begin, finish = start + max(first - row, 0), start + min(stop - row, end - start)
        if begin < finish:
            found.append(Piece(file, begin, finish))
        row += end - start
    return found


def _changes(users: pa.Array) -> np.ndarray:
    """Whether each row but the first has another user than the row before."""
    return pc.not_equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)


def _mapped(users: pa.Array, lengths: np.ndarray, values: pa.Array, catalogue: pd.Index) -> Histories:
    encoded = values.dictionary_encode()
    number = encoded.indices.to_numpy()
    column = catalogue.get_indexer(encoded.dictionary.to_numpy(zero_copy_only=False))[number]
    is_known = column >= 0
    ends = np.concatenate([[0], lengths.cumsum()])
    known_until = np.concatenate([[0], is_known.cumsum()])[ends]
    interactions = _distinct(column[is_known], known_until, len(catalogue))
    unknown = _distinct(number[~is_known], ends - known_until, len(encoded.dictionary))
    return Histories(users, interactions, np.diff(interactions.indptr), np.diff(unknown.indptr))


def _distinct(columns: np.ndarray, starts: np.ndarray, n_columns: int) -> csr_array:
    """Rows float32 (n, n_columns) with 1 where a column stands in a row once or more."""
    ones, shape = np.ones(len(columns), np.float32), (len(starts) - 1, n_columns)
    rows = csr_array((ones, columns.astype(np.int32), starts.astype(np.int32)), shape=shape)
    rows.sum_duplicates()
    rows.data[:] = 1
    return rows


def _batches(pieces: list[Piece]) -> Iterator[tuple[Path, pa.RecordBatch]]:
    """The rows, some at once, each with its file."""
    for file, first, stop in pieces:
        opened = _opened(file)
        columns = [USER, LISTS if LISTS in opened.schema_arrow.names else PAIRS]
        at_once = USERS_AT_ONCE if columns[1] == LISTS else PAIRS_AT_ONCE
        row = 0
        for group in range(opened.num_row_groups):
            after = row + opened.metadata.row_group(group).num_rows
            if after > first and row < stop:
                try:
                    for batch in opened.iter_batches(at_once, row_groups=[group], columns=columns):
                        begin, end = max(first - row, 0), min(stop - row, len(batch))
                        if begin < end:
                            yield file, batch[begin:end]
                        row += len(batch)
                except (OSError, ValueError) as error:
                    raise UserError(f"{file} is damaged ({error}); write it again") from error
            row = after


def _opened(file: Path) -> pq.ParquetFile:
    """A file with the columns that it needs; UserError where it is none."""
    try:
        opened = pq.ParquetFile(file, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is no Parquet file ({error})") from error
    names = opened.schema_arrow.names
    columns = [USER, LISTS if LISTS in names else PAIRS]
    if lacking := [name for name in columns if name not in names]:
        raise UserError(
            f"{file} has no column {lacking[0]}, but {', '.join(names)[:200]}; it needs {USER}, and {LISTS} (a "
            f"list for each user) or {PAIRS} (a row for each pair)"
        )
    is_list = pa.types.is_list(type_ := opened.schema_arrow.field(columns[1]).type) or pa.types.is_large_list(type_)
    if (columns[1] == LISTS) != is_list:
        raise UserError(f"{file}: column {columns[1]} is of type {type_}; {LISTS} are lists, {PAIRS} is one id")
    return opened


def _null(values: pa.Array) -> int:
    return values.is_null().index(True).as_py()
