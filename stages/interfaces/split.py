"""A split on disk: matrices as SciPy's NPZ, tables as Parquet."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array, load_npz, save_npz

from stages.interactions.protocol.interactions import Interactions
from stages.interactions.protocol.strong_generalization import HeldOutUsers, Split
from stages.run.errors import UserError

PARTS = ("validation", "test")


def save_split(folder: Path, split: Split, interactions: Interactions, titles: Mapping[int, str]) -> None:
    """Write the matrices (train, and fold-in and held-out of validation and test), users and items.

    users.parquet and items.parquet map rows and columns back to the original ids.

    Parameters
    ----------
    interactions : all that the split was made from, to be counted per user and item
    titles : of items, by original id
    """
    _save(folder / "train.npz", split.train)
    for name in PARTS:
        part: HeldOutUsers = getattr(split, name)
        _save(folder / f"{name}_fold_in.npz", part.fold_in)
        _save(folder / f"{name}_held_out.npz", part.held_out)
    sizes = [split.train.shape[0], split.validation.fold_in.shape[0], split.test.fold_in.shape[0]]
    users = {
        "user": split.users,
        "part": np.repeat(["train", *PARTS], sizes),
        "interactions": _count(interactions.user, interactions.users, split.users),
    }
    items = {"item": split.items, "interactions": _count(interactions.item, interactions.items, split.items)}
    if titles:
        items["title"] = np.array([titles.get(item, "") for item in split.items.tolist()], dtype=object)
    pq.write_table(pa.table(users), folder / "users.parquet")
    pq.write_table(pa.table(items), folder / "items.parquet")


def _count(numbers: np.ndarray, ids: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How often each of the chosen ids is there; numbers : positions in ids, which are sorted."""
    return np.bincount(numbers, minlength=len(ids))[np.searchsorted(ids, chosen)]


def load_split(folder: Path) -> Split:
    """Read what `save_split` wrote.

    Raises
    ------
    UserError
        where the split is not there, or not whole.
    """
    if not folder.is_dir():
        raise UserError(f"there is no split at {folder}; run the stage preprocess first")
    try:
        validation, test = (
            HeldOutUsers(_load(folder / f"{name}_fold_in.npz"), _load(folder / f"{name}_held_out.npz"))
            for name in PARTS
        )
        return Split(
            train=_load(folder / "train.npz"),
            validation=validation,
            test=test,
            users=_column(folder / "users.parquet", "user"),
            items=_column(folder / "items.parquet", "item"),
        )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"the split at {folder} is not whole ({error}); remove it and run preprocess again") from error


def _save(path: Path, matrix: csr_array) -> None:
    save_npz(path, matrix.astype(np.int8), compressed=False)  # half the bytes on disk


def _load(path: Path) -> csr_array:
    return csr_array(load_npz(path)).astype(np.float32)


def _column(path: Path, name: str) -> np.ndarray:
    return pq.read_table(path, columns=[name])[name].to_numpy()
