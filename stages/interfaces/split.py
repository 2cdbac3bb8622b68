"""The split of one experiment, and its files: matrices as SciPy's NPZ, tables as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from stages.interfaces.matrix_files import map_matrix, save_matrix
from stages.run.digests import checked, damaged

STAGE = "preprocess"  # writes it
HELD_OUT_SETS = ("validation", "test")
ITEMS = "items.parquet"


@dataclass(frozen=True)
class HeldOutUsers:
    """Users that training never sees. Row u of both matrices is the same user."""

    fold_in: csr_array
    """(n_users, n_items) float32, 0/1: interactions that the model is shown."""
    held_out: csr_array
    """(n_users, n_items) float32, 0/1: interactions that it has to predict; means leave out users without any."""
    first: int = 0
    """Number of the first of them in `Split.users`."""

    def scored(self) -> np.ndarray:
        """Rows of the users with held-out interactions, int64, ascending."""
        return np.flatnonzero(np.diff(self.held_out.indptr))


@dataclass(frozen=True)
class Split:
    """The data of one experiment."""

    train: csr_array
    """(n_train_users, n_items) float32, 0/1: interactions of the train users."""
    validation: HeldOutUsers
    test: HeldOutUsers
    users: np.ndarray
    """Original ids of all users: train, then validation, then test, each in the order of its rows."""
    items: np.ndarray
    """(n_items,) original ids of the items, in the order of the columns."""


def save_split(
    folder: Path,
    split: Split,
    interactions_of_users: np.ndarray,
    interactions_of_items: np.ndarray,
    titles: Mapping[int, str],
) -> None:
    """Write the matrices of a split, and users.parquet and items.parquet.

    The matrices are train.npz and, for validation and test, fold-in and held-out. The tables map rows and columns back
    to the original ids.

    Parameters
    ----------
    folder : an existing folder
    interactions_of_users : int64 (n_users,), number of interactions of each user, including held-out ones and those
        with items outside the split
    interactions_of_items : int64 (n_items,), number of interactions of each item, including held-out ones
    titles : titles of items, by original id; may be empty
    """
    save_matrix(folder / "train.npz", split.train)
    for name in HELD_OUT_SETS:
        users: HeldOutUsers = getattr(split, name)
        save_matrix(folder / f"{name}_fold_in.npz", users.fold_in)
        save_matrix(folder / f"{name}_held_out.npz", users.held_out)
    sizes = [split.train.shape[0], split.validation.fold_in.shape[0], split.test.fold_in.shape[0]]
    set_of_user = np.repeat(["train", *HELD_OUT_SETS], sizes)
    user_table = {"user": split.users, "part": set_of_user, "interactions": interactions_of_users}
    item_table = {"item": split.items, "interactions": interactions_of_items}
    if titles:
        item_table["title"] = np.array([titles.get(item, "") for item in split.items.tolist()], dtype=object)
    pq.write_table(pa.table(user_table), folder / "users.parquet")
    pq.write_table(pa.table(item_table), folder / ITEMS)


def load_split(folder: Path) -> Split:
    """Read a split that `save_split` wrote.

    Raises
    ------
    UserError
        where the split is missing or damaged, or its parts do not fit together.
    """
    train = _load(folder / "train.npz")
    matrices = [_load(folder / f"{name}_{part}.npz") for name in HELD_OUT_SETS for part in ("fold_in", "held_out")]
    users, items = _column(folder / "users.parquet", "user"), load_items(folder / ITEMS)
    rows, columns = zip(*(matrix.shape for matrix in matrices), strict=True)
    rows_fit = rows[::2] == rows[1::2] and train.shape[0] + sum(rows[::2]) == len(users)
    if not rows_fit or {train.shape[1], *columns} != {len(items)}:
        raise damaged(folder, "holds matrices and tables that do not fit together", STAGE)
    firsts = train.shape[0], train.shape[0] + rows[0]
    validation = HeldOutUsers(matrices[0], matrices[1], firsts[0])
    test = HeldOutUsers(matrices[2], matrices[3], firsts[1])
    return Split(train, validation, test, users, items)


def load_items(path: Path) -> np.ndarray:
    """Original ids of the items of a split, (n_items,), from its table; UserError where it is missing or damaged."""
    return _column(path, "item")


def _load(path: Path) -> csr_array:
    with checked(path, STAGE) as file:
        try:
            return map_matrix(file)
        except (OSError, ValueError, LookupError, TypeError, OverflowError, EOFError, BadZipFile) as error:
            raise damaged(path, "is no matrix of interactions", STAGE) from error


def _column(path: Path, name: str) -> np.ndarray:
    with checked(path, STAGE) as file:
        try:
            return pq.read_table(file, columns=[name])[name].to_numpy()
        except (OSError, ValueError, KeyError) as error:
            raise damaged(path, f"has no column {name} as it should be", STAGE) from error
