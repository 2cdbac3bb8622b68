"""Parquet is read whatever integers or text its ids are, and what is wrong with it is said with its row."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.interactions.formats.parquet import read_parquet
from stages.run.errors import UserError

NAMES = {"user": "u", "item": "i", "rating": "r", "timestamp": "t"}


def read(folder: Path, columns: dict[str, Any]) -> dict[str, list[object]]:
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns), path)
    there = {name: column for name, column in NAMES.items() if name in ("user", "item") or column in columns}
    return pa.Table.from_batches(read_parquet(path, there)).to_pydict()


@pytest.mark.parametrize(
    "users",
    [
        pa.array([5, 6], pa.int8()),
        pa.array([5, 2**63 - 1], pa.uint64()),
        pa.array([5.0, 6.0]),
        pa.array(["a", "b"]),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"]).dictionary_encode(),
    ],
    ids=lambda users: str(users.type),
)
def test_ids_of_any_integers_or_text(tmp_path: Path, users: pa.Array) -> None:
    assert read(tmp_path, {"u": users, "i": [1, 2]})["user"] == users.to_pylist()


def test_ratings_and_times_of_any_kind(tmp_path: Path) -> None:
    times = pa.array([7, 8], pa.timestamp("ms"))
    found = read(tmp_path, {"u": [1, 2], "i": [1, 2], "r": pa.array([3, 4], pa.int8()), "t": times})
    assert found == {"user": [1, 2], "item": [1, 2], "rating": [3.0, 4.0], "timestamp": [7, 8]}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"u": [1]}, "column 'i' is there 0 times, not once"),
        ({"u": [1, None], "i": [1, 2]}, "row 2: nothing under 'u'"),
        ({"u": pa.array([2**64 - 1], pa.uint64()), "i": [1]}, "column 'u' of uint64 can't be read as int64"),
        ({"u": [1.5], "i": [1]}, "column 'u' of double can't be read as int64"),
        ({"u": [1, 2], "i": [1, 2], "r": [4.0, float("nan")]}, "row 2: the rating under 'r' is no finite number"),
        ({"u": [1], "i": [1], "t": ["yesterday"]}, "column 't' of string can't be read as int64"),
        ({"u": [[1]], "i": [1]}, "column 'u' of list"),
    ],
)
def test_what_cannot_be_right_is_said(tmp_path: Path, columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read(tmp_path, columns)


@pytest.mark.parametrize("length", [0, 3, 300])
def test_a_file_cut_short_is_said(tmp_path: Path, length: int) -> None:
    read(tmp_path, {"u": list(range(1000)), "i": list(range(1000))})
    path = tmp_path / "log.parquet"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"log\.parquet is no whole Parquet file"):
        list(read_parquet(path, {"user": "u", "item": "i"}))
