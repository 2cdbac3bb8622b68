"""The best items of everybody."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.run.errors import UserError
from stages.serving.lists import Users, write_lists
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.popularity import Popularity
from tests.serving.scoring.packages import drawn_codes, drawn_package

PACKAGE = drawn_package(60)
SCORER = Dense(PACKAGE)
CODES = drawn_codes(PACKAGE, 30)
CODED = np.arange(30) % 4 > 0
SEEN = [np.arange(user % 7, dtype=np.int64) for user in range(30)]


def batches(ids: pa.Array | None = None, size: int = 10) -> Iterator[Users]:
    named = pa.array(range(100, 130)) if ids is None else ids
    for start in range(0, 30, size):
        part = slice(start, start + size)
        yield Users(named[part], CODES[part], CODED[part], SEEN[part])


def stopped_after(n: int) -> Iterator[Users]:
    yield from list(batches())[:n]
    raise KeyboardInterrupt


def killed_after(n: int) -> Iterator[Users]:
    yield from list(batches())[:n]
    os.kill(os.getpid(), signal.SIGKILL)


def write_and_be_killed(path: Path, n: int) -> None:
    """In a process of its own, which ends as a machine may end it, after n batches."""
    code = (
        "from pathlib import Path; from tests.serving.test_lists import *; "
        f"write_lists(killed_after({n}), PACKAGE, SCORER, 5, Path({str(path)!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def test_everybody_has_what_the_scorer_gives_and_those_without_a_code_what_is_popular(tmp_path: Path) -> None:
    written = write_lists(batches(), PACKAGE, SCORER, 5, tmp_path / "top.parquet")
    table = pq.read_table(tmp_path / "top.parquet")
    assert table.schema.remove_metadata() == pa.schema(
        {"user": pa.int64(), "items": pa.list_(pa.int64()), "scores": pa.list_(pa.float32()), "popular": pa.bool_()}
    )
    expected = SCORER.top(CODES, 5, SEEN)
    expected.items[~CODED], expected.scores[~CODED] = Popularity(PACKAGE.items).top(
        8, 5, [SEEN[user] for user in np.flatnonzero(~CODED)]
    )
    assert table["user"].to_pylist() == list(range(100, 130))
    assert table["items"].to_pylist() == PACKAGE.items.ids[expected.items].tolist()
    np.testing.assert_allclose(np.array(table["scores"].to_pylist()), expected.scores, rtol=1e-5)
    assert table["popular"].to_pylist() == (~CODED).tolist()
    assert written == (30, 8, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["top.parquet"]


def test_ids_may_be_text_and_a_list_ends_where_no_items_are_left(tmp_path: Path) -> None:
    ids = pa.array([f"user {number}" for number in range(30)], pa.large_string())
    write_lists(batches(ids), PACKAGE, SCORER, 58, tmp_path / "top.parquet")
    table = pq.read_table(tmp_path / "top.parquet")
    assert table["user"].to_pylist() == ids.to_pylist()
    assert [len(items) for items in table["items"].to_pylist()] == [min(58, 60 - user % 7) for user in range(30)]


def test_what_was_done_before_a_kill_is_kept_and_the_file_is_the_same(tmp_path: Path) -> None:
    write_lists(batches(), PACKAGE, SCORER, 5, tmp_path / "whole.parquet")
    write_and_be_killed(tmp_path / "top.parquet", 2)
    assert not (tmp_path / "top.parquet").exists()
    assert write_lists(batches(), PACKAGE, SCORER, 5, tmp_path / "top.parquet").kept == 20
    assert (tmp_path / "top.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("change", ["n", "package", "codes", "seen", "a damaged part"])
def test_a_part_of_other_inputs_is_made_again(change: str, tmp_path: Path) -> None:
    package, n, users = PACKAGE, 5, list(batches())
    with pytest.raises(KeyboardInterrupt):
        write_lists(stopped_after(1), package, SCORER, n, tmp_path / "top.parquet")
    first = users[0]
    if change == "n":
        n = 6
    elif change == "package":
        package = replace(drawn_package(60, seed=5), digest="1" * 64)
    elif change == "codes":
        users[0] = first._replace(codes=first.codes[::-1])
    elif change == "seen":
        users[0] = first._replace(seen=[columns + 1 for columns in first.seen])
    else:
        part = tmp_path / "top.parquet.parts/000000.parquet"
        content = bytearray(part.read_bytes())
        content[100] ^= 1
        part.write_bytes(content)
    scorer = Dense(package)
    written = write_lists(users, package, scorer, n, tmp_path / "top.parquet")
    expected = scorer.top(users[0].codes[1:2], n, users[0].seen[1:2])
    assert pq.read_table(tmp_path / "top.parquet")["items"][1].as_py() == package.items.ids[expected.items[0]].tolist()
    assert written.kept == 0


def test_nobody_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is nobody to recommend to, so .*top\.parquet was not written"):
        write_lists([], PACKAGE, SCORER, 5, tmp_path / "top.parquet")


def test_what_is_not_of_these_lists_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "top.parquet.parts").mkdir()
    (tmp_path / "top.parquet.parts/mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"parts is for parts of these lists, and holds mine\.txt; move that"):
        write_lists(batches(), PACKAGE, SCORER, 5, tmp_path / "top.parquet")
    with pytest.raises(UserError, match=r"parts is a folder; give the name of a file"):
        write_lists(batches(), PACKAGE, SCORER, 5, tmp_path / "top.parquet.parts")
    assert (tmp_path / "top.parquet.parts/mine.txt").read_text() == "mine"
