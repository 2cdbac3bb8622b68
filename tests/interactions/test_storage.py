"""A split comes back from disk as it was written."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.errors import UserError
from stages.interactions.split import HeldOutUsers, Split
from stages.interactions.storage import load_split, save_split


def test_a_split_survives_the_disk(tmp_path: Path, checkerboard: csr_array) -> None:
    train, shown, wanted = checkerboard[:200], checkerboard[200:250], checkerboard[250:]
    split = Split(
        train, HeldOutUsers(shown, wanted), HeldOutUsers(wanted, shown), np.arange(300) * 7, np.arange(40) + 10**12
    )
    save_split(tmp_path, split)
    loaded = load_split(tmp_path)
    for ours, theirs in [
        (loaded.train, train),
        (loaded.validation.fold_in, shown),
        (loaded.validation.held_out, wanted),
        (loaded.test.fold_in, wanted),
        (loaded.test.held_out, shown),
    ]:
        np.testing.assert_array_equal(ours.toarray(), theirs.toarray())
    assert loaded.users.tolist() == split.users.tolist()
    assert loaded.items.tolist() == split.items.tolist()


def test_a_damaged_split_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.npz").write_bytes(b"not whole")
    with pytest.raises(UserError, match=r"is not whole .*; remove it and run preprocess again"):
        load_split(tmp_path)


def test_a_missing_split_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the stage preprocess first"):
        load_split(tmp_path / "split")
