"""A split on disk: matrices as SciPy's NPZ, tables as Parquet."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, load_npz, save_npz

from stages.errors import UserError
from stages.interactions.split import HeldOutUsers, Split

PARTS = ("validation", "test")


def save_split(folder: Path, split: Split) -> None:
    """Write the matrices (train, and fold-in and held-out of validation and test), users and items."""
    save_npz(folder / "train.npz", split.train, compressed=False)
    for name in PARTS:
        part: HeldOutUsers = getattr(split, name)
        save_npz(folder / f"{name}_fold_in.npz", part.fold_in, compressed=False)
        save_npz(folder / f"{name}_held_out.npz", part.held_out, compressed=False)
    sizes = [split.train.shape[0], split.validation.fold_in.shape[0], split.test.fold_in.shape[0]]
    role = np.repeat(["train", *PARTS], sizes)
    pd.DataFrame({"user": split.users, "part": role}).to_parquet(folder / "users.parquet", index=False)
    pd.DataFrame({"item": split.items}).to_parquet(folder / "items.parquet", index=False)


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
            users=pd.read_parquet(folder / "users.parquet")["user"].to_numpy(),
            items=pd.read_parquet(folder / "items.parquet")["item"].to_numpy(),
        )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"the split at {folder} is not whole ({error}); remove it and run preprocess again") from error


def _load(path: Path) -> csr_array:
    return csr_array(load_npz(path))
