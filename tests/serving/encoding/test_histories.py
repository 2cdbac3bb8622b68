"""Users' histories, in lists or in pairs, become rows over the items of a package."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.run.errors import UserError
from stages.serving.encoding import histories as module
from stages.serving.encoding.histories import Piece, parts_of, pieces_of, read_histories

ITEMS = np.array([10, 30, 20])
User = tuple[Any, list[int], int]
"""Id, columns of the known items, number of unknown items."""


def written(path: Path, users: dict[Any, list[Any]] | list[tuple[Any, list[Any]]], pairs: bool, **options: Any) -> Path:
    listed = list(users.items()) if isinstance(users, dict) else users
    columns = {"user": [user for user, _ in listed], "items": pa.array([items for _, items in listed])}
    if pairs:
        columns = {
            "user": [user for user, items in listed for _ in items],
            "item": pa.array([item for _, items in listed for item in items]),
        }
    pq.write_table(pa.table(columns), path, **options)
    return path


def read(path: Path, items: np.ndarray = ITEMS) -> list[User]:
    return read_pieces(pieces_of(path), items)


def read_pieces(pieces: list[Piece], items: np.ndarray = ITEMS) -> list[User]:
    found: list[User] = []
    for batch in read_histories(pieces, items):
        rows = np.split(batch.interactions.indices, batch.interactions.indptr[1:-1])
        assert (batch.interactions.data == 1).all()
        assert [len(row) for row in rows] == batch.known.tolist()
        found += zip(batch.users.to_pylist(), [row.tolist() for row in rows], batch.unknown.tolist(), strict=True)
    return found


HISTORIES = {7: [20, 10, 20, 99, 98, 99], -3: [98], 4: [30], 2**40: [30, 10, 20]}
RIGHT = [(7, [0, 2], 2), (-3, [], 1), (4, [1], 0), (2**40, [0, 1, 2], 0)]


@pytest.mark.parametrize("pairs", [False, True])
def test_items_are_mapped_to_columns_and_doubled_ones_count_once(tmp_path: Path, pairs: bool) -> None:
    assert read(written(tmp_path / "histories.parquet", HISTORIES, pairs)) == RIGHT


@pytest.mark.parametrize("pairs", [False, True])
def test_ids_may_be_text(tmp_path: Path, pairs: bool) -> None:
    users = {f"u{user}": [f"i{item}" for item in items] for user, items in HISTORIES.items()}
    found = read(written(tmp_path / "histories.parquet", users, pairs), np.array(["i10", "i30", "i20"], object))
    assert found == [(f"u{user}", *rest) for user, *rest in RIGHT]


def test_text_may_be_stored_in_any_way(tmp_path: Path) -> None:
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        table = pa.table({"user": [1, 1], "item": pa.array(["a", "b"]).cast(kind)})
        pq.write_table(table, tmp_path / "histories.parquet")
        assert read(tmp_path / "histories.parquet", np.array(["b"], object)) == [(1, [0], 1)]


def test_an_empty_history_has_no_items(tmp_path: Path) -> None:
    assert read(written(tmp_path / "histories.parquet", {1: [], 2: [10]}, pairs=False)) == [(1, [], 0), (2, [0], 0)]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    pairs=st.booleans(),
    rows_of_group=st.integers(1, 20),
    at_once=st.integers(1, 20),
    n_files=st.integers(1, 3),
    rows_of_part=st.integers(1, 30),
)
def test_however_it_is_cut_the_users_are_the_same_and_none_is_divided(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    pairs: bool,
    rows_of_group: int,
    at_once: int,
    n_files: int,
    rows_of_part: int,
) -> None:
    draws = np.random.default_rng(0)
    users = [(user, draws.choice([10, 20, 30, 40, 50], length).tolist()) for user, length in enumerate(lengths)]
    folder = tmp_path_factory.mktemp("histories")
    for number, place in enumerate(np.array_split(np.arange(len(users)), n_files)):
        chosen = [users[user] for user in place]
        if chosen:
            written(folder / f"{number}.parquet", chosen, pairs, row_group_size=rows_of_group)
    right = [
        (user, sorted({[10, 30, 20].index(item) for item in items if item < 40}), len({*items} - {10, 20, 30}))
        for user, items in users
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "USERS_AT_ONCE", at_once)
        patch.setattr(module, "PAIRS_AT_ONCE", at_once)
        assert read(folder) == right
        parts = [read_pieces(part) for part in parts_of(pieces_of(folder), rows_of_part)]
        assert [user for part in parts for user in part] == right
        n_rows = sum(lengths) if pairs else len(lengths)
        assert all(parts)
        assert len(parts) <= math.ceil(n_rows / rows_of_part)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user": [1], "item": ["10"]}, "items of .*: '10' is text; give integers"),
        ({"user": [1], "items": [["10"]]}, "'10' is text; give integers"),
        ({"user": [1.5], "item": [10]}, "users of .*: 1.5 is double; give integers or text"),
        ({"user": [1, None], "item": [10, 10]}, r"users of .*: an id is missing \(null\)"),
        ({"user": [1, 1], "item": [10, None]}, r"items of .*: an id is missing \(null\)"),
        ({"user": [1], "items": [[10, None]]}, r"items of .*: an id is missing \(null\)"),
        ({"user": [1, 5], "items": [[10], None]}, r"the list of user 5 is missing \(null\)"),
        ({"users": [1], "item": [10]}, "has no column user, but users, item"),
        ({"user": [1], "movie": [10]}, "has no column item, but user, movie"),
        ({"user": [1], "item": [[10]]}, "column item is of type list.*; items are lists, item is one id"),
        ({"user": [1], "items": [10]}, "column items is of type int64"),
    ],
)
def test_what_is_no_history_is_said(tmp_path: Path, columns: dict[str, list[Any]], said: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "histories.parquet")
    with pytest.raises(UserError, match=said):
        read(tmp_path / "histories.parquet")


def test_a_file_that_is_missing_or_no_parquet_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*; give a Parquet file"):
        read(tmp_path / "absent.parquet")
    path = written(tmp_path / "histories.parquet", {n: [10] for n in range(5000)}, pairs=True, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is damaged|is no Parquet file"):
        read(path)
    path.write_bytes(b"user,item\n1,10\n")
    with pytest.raises(UserError, match="is no Parquet file"):
        read(path)


def test_users_of_two_kinds_are_said(tmp_path: Path) -> None:
    written(tmp_path / "1.parquet", {1: [10]}, pairs=True)
    written(tmp_path / "2.parquet", {"Ada": [10]}, pairs=True)
    with pytest.raises(UserError, match="'Ada' is text; give integers"):
        read(tmp_path)
