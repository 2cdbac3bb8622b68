"""What stored users are known to have: their histories from the split, or from Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from scipy.sparse import coo_array, csr_array, vstack

from stages.interfaces.split import Split
from stages.serving.encoding.histories import pieces_of, read_histories
from stages.serving.ids import as_ids
from stages.serving.lists import Users
from stages.serving.store.store import Store

USERS_AT_ONCE = 2**13


class History(NamedTuple):
    """Of one user; both are empty where nothing is known."""

    items: np.ndarray
    """int64, columns that the code was made of."""
    seen: np.ndarray
    """int64, columns that are left out."""


class Known(Protocol):
    """Where the histories of stored users come from."""

    def history(self, user: int | str) -> History:
        """Of one user of the store."""
        ...

    def everybody(self) -> Iterator[Users]:
        """Users with their codes, in the same order each time."""
        ...


class OfSplit:
    """Train users have their histories; held-out users were encoded from the fold-in, and have what is held out, too.

    Parameters
    ----------
    items : (n_items,), the package's ids
    """

    def __init__(self, split: Split, items: np.ndarray, store: Store) -> None:
        self._store = store
        self._rows = pd.Index(split.users)
        held_out = [split.validation, split.test]
        self._histories = _in_columns(vstack([split.train, *(users.fold_in for users in held_out)]), split, items)
        seen = vstack([split.train, *(users.fold_in + users.held_out for users in held_out)])
        self._seen = _in_columns(seen, split, items)

    def history(self, user: int | str) -> History:
        """As in `Known`."""
        row = self._rows.get_indexer([user])
        return History(columns_of(self._histories[row])[0], columns_of(self._seen[row])[0])

    def everybody(self) -> Iterator[Users]:
        """As in `Known`: all of the store."""
        for users, codes, coded in self._store.batches(USERS_AT_ONCE):
            rows = self._rows.get_indexer(users.to_numpy(zero_copy_only=False))
            yield Users(users, codes, coded, columns_of(self._seen[rows]))


class OfFile:
    """Histories in Parquet, as `stages.serving.encoding.histories` reads them.

    Parameters
    ----------
    items : (n_items,), the package's ids
    """

    def __init__(self, path: Path, items: np.ndarray, store: Store) -> None:
        self._path, self._items, self._store = path, items, store

    def history(self, user: int | str) -> History:
        """As in `Known`."""
        for found in read_histories(pieces_of(self._path), self._items):
            users = as_ids(found.users, f"users of {self._path}", self._store.kind_of_ids)
            if (row := pc.index(users, user).as_py()) >= 0:
                (columns,) = columns_of(found.interactions[[row]])
                return History(columns, columns)
        nothing = np.zeros(0, np.int64)
        return History(nothing, nothing)

    def everybody(self) -> Iterator[Users]:
        """As in `Known`: all of the file."""
        for found in read_histories(pieces_of(self._path), self._items):
            codes, coded = self._store.codes(found.users)
            yield Users(found.users, codes, coded, columns_of(found.interactions))


def _in_columns(interactions: csr_array, split: Split, items: np.ndarray) -> csr_array:
    """The same in the package's columns, with a row more, -1, for users who are not in the split."""
    columns = pd.Index(items).get_indexer(split.items)
    entries = coo_array(interactions)
    known = columns[entries.col] >= 0
    rows, n_users = entries.row[known], interactions.shape[0]
    return csr_array((entries.data[known], (rows, columns[entries.col[known]])), shape=(n_users + 1, len(items)))


def columns_of(interactions: csr_array) -> list[np.ndarray]:
    """The columns of each row, int64."""
    return np.split(interactions.indices.astype(np.int64), interactions.indptr[1:-1])
