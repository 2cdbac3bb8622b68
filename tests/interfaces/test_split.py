"""A split comes back from disk as it was written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from stages.interactions.protocol.interactions import Interactions
from stages.interfaces.split import HeldOutUsers, Split, load_split, save_split
from stages.run.errors import UserError

N_USERS, N_ITEMS = 300, 40
INTERACTIONS = Interactions(
    users=np.arange(N_USERS) * 7,
    items=np.arange(N_ITEMS) + 10**12,
    user=np.arange(N_USERS, dtype=np.int32).repeat(2),
    item=np.tile(np.arange(N_ITEMS, dtype=np.int32), 15),
)


def split_of(board: csr_array, users: np.ndarray = INTERACTIONS.users) -> Split:
    train, shown, wanted = board[:200], board[200:250], board[250:]
    return Split(train, HeldOutUsers(shown, wanted), HeldOutUsers(wanted, shown), users, INTERACTIONS.items[::-1])


COUNTS = INTERACTIONS.count_of_users(INTERACTIONS.users), INTERACTIONS.count_of_items(INTERACTIONS.items[::-1])


def test_a_split_survives_the_disk(tmp_path: Path, checkerboard: csr_array) -> None:
    split = split_of(checkerboard)
    save_split(tmp_path, split, *COUNTS, {})
    loaded = load_split(tmp_path)
    for ours, theirs in [
        (loaded.train, split.train),
        (loaded.validation.fold_in, split.validation.fold_in),
        (loaded.validation.held_out, split.validation.held_out),
        (loaded.test.fold_in, split.test.fold_in),
        (loaded.test.held_out, split.test.held_out),
    ]:
        np.testing.assert_array_equal(ours.toarray(), theirs.toarray())
    assert loaded.users.tolist() == split.users.tolist()
    assert loaded.items.tolist() == split.items.tolist()


def test_text_ids_survive_the_disk(tmp_path: Path, checkerboard: csr_array) -> None:
    users = np.array([f"ü{number:03}" for number in range(N_USERS)], dtype=object)
    save_split(tmp_path, split_of(checkerboard, users), *COUNTS, {})
    assert load_split(tmp_path).users.tolist() == users.tolist()


def test_tables_map_rows_and_columns_back_to_ids_counts_and_titles(tmp_path: Path, checkerboard: csr_array) -> None:
    save_split(tmp_path, split_of(checkerboard), *COUNTS, {10**12 + 39: "The last"})
    items, users = (pd.read_parquet(tmp_path / name) for name in ("items.parquet", "users.parquet"))
    assert items.iloc[0].to_dict() == {"item": 10**12 + 39, "interactions": 15, "title": "The last"}
    assert items.iloc[1].to_dict() == {"item": 10**12 + 38, "interactions": 15, "title": ""}
    assert users["part"].value_counts().to_dict() == {"train": 200, "validation": 50, "test": 50}
    assert users.iloc[3].to_dict() == {"user": 21, "part": "train", "interactions": 2}


def test_a_damaged_split_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.npz").write_bytes(b"not whole")
    with pytest.raises(UserError, match=r"is not whole .*; remove it and run preprocess again"):
        load_split(tmp_path)


def test_a_missing_split_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the stage preprocess first"):
        load_split(tmp_path / "split")
