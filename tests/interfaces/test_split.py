"""A split comes back from disk as it was written."""

from mmap import mmap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, load_npz

from stages.interfaces.matrix_files import interactions_of_items, save_matrix
from stages.interfaces.split import HeldOutUsers, Split, load_split, save_split
from stages.run.errors import UserError
from tests.damage import DAMAGES, Damage, sealed

N_USERS, N_ITEMS = 300, 40
USERS, ITEMS = np.arange(N_USERS) * 7, np.arange(N_ITEMS) + 10**12


def split_of(board: csr_array, users: np.ndarray = USERS) -> Split:
    train, shown, wanted = board[:200], board[200:250], board[250:]
    return Split(train, HeldOutUsers(shown, wanted), HeldOutUsers(wanted, shown), users, ITEMS[::-1])


MATRICES = ["train.npz", *(f"{name}_{part}.npz" for name in ("validation", "test") for part in ("fold_in", "held_out"))]
COUNTS = np.full(N_USERS, 2), np.full(N_ITEMS, 15)


def resealed(folder: Path) -> Path:
    """The folder, with the digests of what is in it now."""
    return sealed(folder / "train.npz").parent


@pytest.fixture
def saved(tmp_path: Path, checkerboard: csr_array) -> Path:
    """Folder of a split, as the stage leaves it."""
    save_split(tmp_path, split_of(checkerboard), *COUNTS, {})
    return resealed(tmp_path)


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory, checkerboard: csr_array) -> Path:
    """Another, for all examples of a test."""
    folder = tmp_path_factory.mktemp("split")
    save_split(folder, split_of(checkerboard), *COUNTS, {})
    return resealed(folder)


def test_a_split_survives_the_disk(tmp_path: Path, checkerboard: csr_array) -> None:
    split = split_of(checkerboard)
    save_split(tmp_path, split, *COUNTS, {})
    loaded = load_split(resealed(tmp_path))
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


def test_matrices_are_read_by_scipy_too(saved: Path, checkerboard: csr_array) -> None:
    for name in MATRICES:
        assert load_npz(saved / name).format == "csr"
    np.testing.assert_array_equal(load_npz(saved / "train.npz").toarray(), checkerboard[:200].toarray())


def test_interactions_stay_on_disk_until_they_are_looked_at_and_a_change_of_them_stays_in_memory(saved: Path) -> None:
    train = load_split(saved).train
    for array in (train.indices, train.data):
        assert isinstance(_owner(array), mmap)
        assert array.ctypes.data % 64 == 0
    before = (saved / "train.npz").read_bytes()
    train.indices[:] = 0
    assert (saved / "train.npz").read_bytes() == before


def _owner(array: np.ndarray) -> object:
    """Whose memory it is."""
    base = array.base
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base


def test_interactions_of_items_are_counted(checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.interfaces.matrix_files.AT_ONCE", 7)
    assert interactions_of_items(checkerboard).tolist() == checkerboard.sum(axis=0).tolist()


def test_text_ids_survive_the_disk(tmp_path: Path, checkerboard: csr_array) -> None:
    users = np.array([f"ü{number:03}" for number in range(N_USERS)], dtype=object)
    save_split(tmp_path, split_of(checkerboard, users), *COUNTS, {})
    assert load_split(resealed(tmp_path)).users.tolist() == users.tolist()


def test_tables_map_rows_and_columns_back_to_ids_counts_and_titles(tmp_path: Path, checkerboard: csr_array) -> None:
    save_split(tmp_path, split_of(checkerboard), *COUNTS, {10**12 + 39: "The last"})
    items, users = (pd.read_parquet(tmp_path / name) for name in ("items.parquet", "users.parquet"))
    assert items.iloc[0].to_dict() == {"item": 10**12 + 39, "interactions": 15, "title": "The last"}
    assert items.iloc[1].to_dict() == {"item": 10**12 + 38, "interactions": 15, "title": ""}
    assert users["part"].value_counts().to_dict() == {"train": 200, "validation": 50, "test": 50}
    assert users.iloc[3].to_dict() == {"user": 21, "part": "train", "interactions": 2}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("content", [b"", b"not whole", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_matrix_is_said(saved: Path, name: str, content: bytes) -> None:
    (saved / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} is not as the stage preprocess wrote it; remove it and run the stage"):
        load_split(saved)
    with pytest.raises(
        UserError, match=f"{name} is no matrix of interactions; remove it and run the stage preprocess again"
    ):
        load_split(resealed(saved))


def test_an_object_that_would_have_to_be_unpickled_is_refused(saved: Path) -> None:
    np.savez(saved / "train.npz", format=np.array([print], dtype=object))
    with pytest.raises(UserError, match=r"train\.npz is no matrix of interactions"):
        load_split(resealed(saved))


@pytest.mark.parametrize(
    ("field", "value"), [("indices", N_ITEMS), ("indices", -1), ("indptr", 10**6), ("data", 2), ("data", 0)]
)
def test_a_matrix_with_a_wrong_number_in_it_is_refused(saved: Path, field: str, value: int) -> None:
    """SciPy's products read from beyond the memory by such an index."""
    with np.load(saved / "train.npz") as archive:
        arrays = dict(archive)
    arrays[field] = arrays[field].astype(np.int64)
    arrays[field][5] = value
    np.savez(saved / "train.npz", **arrays)
    with pytest.raises(UserError, match=r"train\.npz is no matrix of interactions"):
        load_split(resealed(saved))


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("shape", [(49, N_ITEMS), (50, N_ITEMS - 1), (51, N_ITEMS + 1)])
def test_parts_that_do_not_fit_together_are_refused(saved: Path, name: str, shape: tuple[int, int]) -> None:
    save_matrix(saved / name, csr_array(np.ones(shape, dtype=np.float32)))
    with pytest.raises(UserError, match="holds matrices and tables that do not fit together"):
        load_split(resealed(saved))


@pytest.mark.parametrize(("name", "column"), [("users.parquet", "user"), ("items.parquet", "item")])
def test_a_table_with_a_line_less_or_without_its_column_is_refused(saved: Path, name: str, column: str) -> None:
    table = pd.read_parquet(saved / name)
    table.iloc[1:].to_parquet(saved / name)
    with pytest.raises(UserError, match="holds matrices and tables that do not fit together"):
        load_split(resealed(saved))
    table.rename(columns={column: "id"}).to_parquet(saved / name)
    with pytest.raises(UserError, match=f"{name} has no column {column} as it should be"):
        load_split(resealed(saved))


@given(name=st.sampled_from([*MATRICES, "users.parquet", "items.parquet"]), damage=DAMAGES)
@settings(deadline=None, max_examples=50)
def test_no_bit_that_changed_is_read(name: str, damage: Damage, saved_once: Path) -> None:
    path = saved_once / name
    content = path.read_bytes()
    path.write_bytes(damage.of(content))
    try:
        with pytest.raises(UserError, match=f"{path.name} is not as the stage preprocess wrote it"):
            load_split(saved_once)
    finally:
        path.write_bytes(content)


def test_matrices_of_the_same_shape_that_change_places_are_refused(saved: Path) -> None:
    validation, test = saved / "validation_fold_in.npz", saved / "test_fold_in.npz"
    content = validation.read_bytes()
    validation.write_bytes(test.read_bytes())
    test.write_bytes(content)
    with pytest.raises(UserError, match=r"validation_fold_in\.npz is not as the stage preprocess wrote it"):
        load_split(saved)


def test_a_missing_split_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*split/train\.npz; run the stage preprocess first"):
        load_split(tmp_path / "split")
