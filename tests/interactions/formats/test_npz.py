"""A sparse matrix of SciPy's is a log: its rows are users, its columns items, its stored values ratings."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix, save_npz

from stages.run.errors import UserError
from tests.interactions.formats.layouts import read

VALUES = np.array([[0, 5, 0], [2, 0, 1]])


@pytest.mark.parametrize("make", [csr_array, csc_array, coo_array, csr_matrix])
@pytest.mark.parametrize("dtype", [np.int8, bool, np.float32, np.float64, np.longdouble])
def test_any_matrix_is_read(tmp_path: Path, make: type, dtype: type) -> None:
    save_npz(tmp_path / "log.npz", make(VALUES.astype(dtype)))
    found = read(tmp_path / "log.npz", "npz")
    cells = sorted(zip(found["user"], found["item"], found["rating"], strict=True))
    assert cells == [(0, 1, float(dtype(5))), (1, 0, float(dtype(2))), (1, 2, 1.0)]


def test_a_stored_zero_is_a_rating(tmp_path: Path) -> None:
    save_npz(tmp_path / "log.npz", coo_array(([0.0], ([0], [1])), shape=(2, 2)))
    assert read(tmp_path / "log.npz", "npz") == {"user": [0], "item": [1], "rating": [0.0]}


@pytest.mark.parametrize("damage", ["cut", "index", "flip", "other"])
def test_what_is_no_whole_matrix_is_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "log.npz"
    matrix = csr_array(VALUES.astype(np.float64))
    if damage == "index":
        matrix.indices[0] = 7
    save_npz(path, matrix, compressed=False)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-30])
    if damage == "flip":
        content[content.index(np.float64(5).tobytes()) + 6] ^= 1
        path.write_bytes(content)
    if damage == "other":
        np.savez(path, a=np.arange(3))
    with pytest.raises(UserError, match="is no whole sparse matrix of SciPy"):
        read(path, "npz")


def test_a_value_that_is_no_number_is_said(tmp_path: Path) -> None:
    save_npz(tmp_path / "log.npz", coo_array(([np.nan], ([0], [1])), shape=(2, 2)))
    with pytest.raises(UserError, match="value 1: the rating under 'data' is no finite number"):
        read(tmp_path / "log.npz", "npz")
