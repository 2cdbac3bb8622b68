"""Users' histories in Parquet, read in bounded memory and mapped to the columns of a package.

A file, or a folder of files, holds users in one of two ways: column `user` and a list column `items`, one row per user;
or columns `user` and `item`, one row per pair, all rows of a user one after the other. Ids are integers or text.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
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
    stop: int
    """Row of the files at which the next user begins."""


def count_rows(path: Path) -> int:
    """Rows of a file, or of all files of a folder; UserError as in `read_histories`."""
    return sum(_opened(file).metadata.num_rows for file in _files(path))


def read_histories(path: Path, items: np.ndarray, first: int = 0) -> Iterator[Histories]:
    """Read all users, some thousand at once; an item that a user has twice counts once.

    Parameters
    ----------
    path : a file, or a folder of files, which are read in the order of their names
    items : (n_items,) ids of the package's items: int64, or object of text
    first : row at which it begins: 0, or a `stop` of an earlier reading

    Raises
    ------
    UserError
        where the path is no Parquet, lacks a column, or holds a missing id or ids of another kind than the package.
    """
    kind: Kind = "text" if items.dtype == object else "integers"
    catalogue = as_ids(items, "items of the package", kind)
    of_users, of_items = f"users of {path}", f"items of {path}"
    kind_of_users: Kind | None = None
    kept: tuple[pa.Array, pa.Array] | None = None
    for row, batch in _batches(path, first):
        users = as_ids(batch[USER], of_users, kind_of_users)
        kind_of_users = kind_of(users)
        if LISTS in batch.schema.names:
            lists = batch[LISTS]
            if lists.null_count:
                raise UserError(f"{of_items}: the list of user {quoted(users[_null(lists)].as_py())} is missing (null)")
            values = as_ids(lists.flatten(), of_items, kind)
            yield _mapped(users, lists.value_lengths().to_numpy(), values, catalogue, row + len(batch))
            continue
        values = as_ids(batch[PAIRS], of_items, kind)
        if kept is not None:  # the last user goes on
            users, values = pa.concat_arrays([kept[0], users]), pa.concat_arrays([kept[1], values])
        starts = np.flatnonzero(np.append(True, pc.not_equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)))
        last, stop = int(starts[-1]), row + len(batch)
        kept = users[last:], values[last:]
        if last:
            n_kept = len(users) - last
            whole = users.take(pa.array(starts[:-1]))
            yield _mapped(whole, np.diff(starts), values[:last], catalogue, stop - n_kept)
    if kept is not None:
        yield _mapped(kept[0][:1], np.array([len(kept[1])]), kept[1], catalogue, stop)


def _mapped(users: pa.Array, lengths: np.ndarray, values: pa.Array, catalogue: pa.Array, stop: int) -> Histories:
    columns = pc.index_in(values, catalogue)
    is_known = columns.is_valid()
    ends = np.concatenate([[0], lengths.cumsum()])
    known_until = np.concatenate([[0], is_known.to_numpy(zero_copy_only=False).cumsum()])[ends]
    others = values.filter(pc.invert(is_known)).dictionary_encode()
    interactions = _distinct(columns.drop_null(), known_until, len(catalogue))
    unknown = _distinct(others.indices, ends - known_until, len(others.dictionary))
    return Histories(users, interactions, np.diff(interactions.indptr), np.diff(unknown.indptr), stop)


def _distinct(columns: pa.Array, starts: np.ndarray, n_columns: int) -> csr_array:
    """Rows float32 (n, n_columns) with 1 where a column stands in a row once or more."""
    ones, shape = np.ones(len(columns), np.float32), (len(starts) - 1, n_columns)
    rows = csr_array((ones, columns.to_numpy().astype(np.int32), starts.astype(np.int32)), shape=shape)
    rows.sum_duplicates()
    rows.data[:] = 1
    return rows


def _batches(path: Path, first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Rows from `first` on, some at once, each with the number of its first row."""
    row = 0
    for file in _files(path):
        opened = _opened(file)
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
        at_once = USERS_AT_ONCE if is_list else PAIRS_AT_ONCE
        for group in range(opened.num_row_groups):
            after = row + opened.metadata.row_group(group).num_rows
            if after > first:
                try:
                    for batch in opened.iter_batches(at_once, row_groups=[group], columns=columns):
                        if skipped := min(max(0, first - row), len(batch)):
                            batch, row = batch[skipped:], row + skipped
                        if len(batch):
                            yield row, batch
                        row += len(batch)
                except (OSError, ValueError) as error:
                    raise UserError(f"{file} is damaged ({error}); write it again") from error
            row = after


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UserError(f"there is no {path}; give a Parquet file of histories, or a folder of such files")
    return files(path)


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, page_checksum_verification=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is no Parquet file ({error})") from error


def _null(values: pa.Array) -> int:
    return values.is_null().index(True).as_py()
