"""Tables of vectors are the same whatever the file; and what is wrong with one is said in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from stages.run.errors import UserError
from stages.vectors import reading
from stages.vectors.reading import open_vectors, read_ids, vectors_of

VECTORS = np.random.default_rng(0).normal(size=(50, 6))


def as_lists(vectors: Any, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(list(vectors), kind or pa.list_(pa.float32()))


def write(path: Path, vectors: np.ndarray) -> Path:
    match path.suffix:
        case ".npy":
            np.save(path, vectors)
        case ".safetensors":
            save_file({"user_embedding.weight": vectors, "bias": np.zeros(3, np.float32)}, path)
        case _:
            pq.write_table(pa.table({"vector": as_lists(vectors, pa.list_(pa.from_numpy_dtype(vectors.dtype)))}), path)
    return path


@pytest.mark.parametrize("dtype", reading.TYPES)
@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "v.safetensors"])
def test_every_kind_and_type_is_read_in_batches(
    tmp_path: Path, name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 7)
    file = open_vectors(write(tmp_path / name, VECTORS.astype(dtype)))
    assert (file.n, file.width, file.dtype) == (50, 6, dtype)
    batches = list(file.batches())
    assert max(map(len, batches)) <= 7
    assert {batch.dtype for batch in batches} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate(batches), VECTORS.astype(dtype).astype(np.float32))
    np.testing.assert_array_equal(file.read(), np.concatenate(batches))
    rows = np.array([0, 6, 7, 33, 49])
    np.testing.assert_array_equal(file.take(rows), file.read()[rows])
    assert file.ids().to_pylist() == list(range(50))


@pytest.mark.parametrize("column", ["user", "item", "id"])
def test_ids_are_those_of_the_file(tmp_path: Path, column: str) -> None:
    ids = [f"u{number}" for number in range(50)]
    pq.write_table(pa.table({column: ids, "vector": as_lists(VECTORS)}), tmp_path / "v.parquet")
    assert open_vectors(tmp_path / "v.parquet").ids().to_pylist() == ids


def test_lists_may_be_of_a_fixed_size_and_fortran_order_does_not_matter(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": as_lists(VECTORS, pa.list_(pa.float64(), 6))}), tmp_path / "v.parquet")
    np.save(tmp_path / "v.npy", np.asfortranarray(VECTORS))
    parquet, npy = (open_vectors(tmp_path / name).read() for name in ("v.parquet", "v.npy"))
    np.testing.assert_array_equal(parquet, npy)


def table(**columns: Any) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table(columns), path)


def array(values: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, values)


def with_bad(value: float) -> np.ndarray:
    vectors = VECTORS.copy()
    vectors[31, 2] = value
    return vectors


FAULTS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "missing": ("v.npy", lambda path: path, "there is no file"),
    "of another kind": ("v.csv", lambda path: path.write_text("1,2\n"), "is none of .npy, .parquet and .safetensors"),
    "text as NPY": ("v.npy", lambda path: path.write_text("1,2\n"), "is damaged, or no array of NumPy"),
    "pickled objects": ("v.npy", array(np.array([{}, 1])), "is damaged, or no array of NumPy"),
    "text as Parquet": ("v.parquet", lambda path: path.write_text("1,2\n"), "is damaged, or no Parquet file"),
    "text as safetensors": ("v.safetensors", lambda path: path.write_text("1,2\n"), "or no file of safetensors"),
    "one dimension": ("v.npy", array(np.zeros(5)), "holds an array of shape (5,); vectors are rows"),
    "three dimensions": ("v.npy", array(np.zeros((5, 2, 2))), "holds an array of shape (5, 2, 2)"),
    "nothing": ("v.npy", array(np.zeros((0, 4))), "holds no vectors: 0 rows of 4 dimensions"),
    "whole numbers": ("v.npy", array(np.zeros((5, 4), np.int8)), "holds int8; give float32, float64, float16"),
    "NaN": ("v.npy", array(with_bad(np.nan)), "the vector in row 31 (from 0) holds NaN or an infinite value"),
    "infinite": ("v.npy", array(with_bad(-np.inf)), "the vector in row 31 (from 0) holds NaN"),
    "too large for float32": ("v.npy", array(with_bad(1e300)), "the vector in row 31 (from 0) holds NaN"),
    "a null in a list": ("v.parquet", table(v=as_lists([[1, 2], [None, 4]])), "the vector in row 1 (from 0) holds NaN"),
    "a missing list": ("v.parquet", table(v=as_lists([[1, 2], None])), "row 1 (from 0) has nothing, the first 2"),
    "lists of several lengths": ("v.parquet", table(v=as_lists([[1, 2], [3]])), "row 1 (from 0) has 1 dimensions, the"),
    "no lists": ("v.parquet", table(user=[1, 2]), "must have one column of lists, the vectors; it has 'user' of int64"),
    "two columns of lists": ("v.parquet", table(a=as_lists([[1]]), b=as_lists([[1]])), "must have one column of lists"),
    "lists of text": ("v.parquet", table(v=pa.array([["a"]])), "holds string; give float32"),
    "an id twice": ("v.parquet", table(user=[7, 7], v=as_lists([[1], [2]])), "7 stands there more than once"),
    "an id missing": ("v.parquet", table(user=[7, None], v=as_lists([[1], [2]])), "an id is missing"),
    "ids of floats": (
        "v.parquet",
        table(user=[0.5, 1.5], v=as_lists([[1], [2]])),
        "0.5 is double; give integers or text",
    ),
    "two tensors": (
        "v.safetensors",
        lambda path: save_file({"a": np.zeros((2, 2)), "b": np.zeros((3, 2))}, path),
        "must hold one tensor of two dimensions, the vectors; it holds 'a' (2, 2), 'b' (3, 2)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_sentence(tmp_path: Path, fault: str) -> None:
    name, make, expected = FAULTS[fault]
    make(tmp_path / name)

    def read() -> None:
        file = open_vectors(tmp_path / name)
        file.ids()
        file.read()

    with pytest.raises(UserError) as raised:
        read()
    assert expected in str(raised.value)
    assert str(tmp_path / name) in str(raised.value)


@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "v.safetensors"])
def test_a_file_that_is_cut_is_said(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, VECTORS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        open_vectors(path).read()


def test_vectors_are_put_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(50)
    pq.write_table(pa.table({"user": order, "vector": as_lists(VECTORS[order])}), tmp_path / "v.parquet")
    wanted = np.array([31, 4, 15, 9])
    found = vectors_of(open_vectors(tmp_path / "v.parquet"), wanted, 6)
    np.testing.assert_array_equal(found, VECTORS[wanted].astype(np.float32))


@pytest.mark.parametrize(
    ("wanted", "width", "expected"),
    [
        ([3, 99, 98], 6, r"2 of 3 ids of the split have no vector in .*, such as 99; add them"),
        (["3"], 6, "0 is an integer; give text"),
        ([3], 7, "has vectors of 6 dimensions; params.yaml says 7"),
    ],
)
def test_a_vector_that_is_missing_is_said(tmp_path: Path, wanted: list[Any], width: int, expected: str) -> None:
    pq.write_table(pa.table({"user": np.arange(50), "vector": as_lists(VECTORS)}), tmp_path / "v.parquet")
    with pytest.raises(UserError, match=expected):
        vectors_of(open_vectors(tmp_path / "v.parquet"), np.array(wanted), width)


def test_vectors_without_ids_are_found_by_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no ids, by which vectors are found; add a column user or item or id"):
        vectors_of(open_vectors(write(tmp_path / "v.parquet", VECTORS)), np.array([1]), 6)


def test_a_column_that_is_missing_is_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"account": [1]}), tmp_path / "pairs.parquet")
    with pytest.raises(UserError, match="has no column user; it has 'account'"):
        read_ids(tmp_path / "pairs.parquet", "user")
