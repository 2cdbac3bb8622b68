"""A practitioner's users: encoded, stored, changed, forgotten, each by its command."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from stages.commands.encode_users import encode_users
from stages.commands.forget_users import forget_users
from stages.commands.recommend_users import recommend_users
from stages.commands.store_users import store_users
from stages.run import paths
from stages.run.errors import UserError
from stages.serving.encoding.encoder import Encoder
from stages.serving.package.files import write_package
from stages.serving.store.store import LOCK, open_store
from tests.damage import sealed
from tests.serving.encoding.packages import drawn_package
from tests.serving.package.made_up import ORIGIN

DATASET, ROW = "films", "dae-6-pq-3x2"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which the package of a row is, as the stage export leaves it."""
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    packed(ROW)


def packed(row: str) -> str:
    """The digest of a new package."""
    package, folder = drawn_package(), paths.package(DATASET, row)
    folder.mkdir(parents=True)
    origin = ORIGIN.model_copy(update={"row": row})
    digest = write_package(folder, origin, package.encoder, package.quantizer, package.items)
    sealed(folder)
    return digest


def encoded(name: str, users: dict[Any, list[int]], row: str = ROW) -> Path:
    path, out = Path(f"{name}.parquet"), Path(f"codes-of-{name}")
    pq.write_table(pa.table({"user": list(users), "items": list(users.values())}), path)
    encode_users(DATASET, row, path, out)
    return out


def held(store: Path) -> dict[Any, bytes | None]:
    with open_store(store) as opened:
        return {
            user: code.tobytes() if has else None
            for users, codes, has_code in opened.batches(2)
            for user, code, has in zip(users.to_pylist(), codes, has_code, strict=True)
        }


def test_a_store_is_built_once_and_then_kept_up(capsys: pytest.CaptureFixture[str]) -> None:
    store = Path("store")
    store_users(encoded("all", {5: [100, 103], 3: [106, 100], 9: [1, 2]}), store)
    before = held(store)
    assert list(before) == [3, 5, 9]
    assert before[9] is None
    store_users(encoded("today", {5: [103, 109, 112], 4: [100, 103]}), store)
    after = held(store)
    assert (after[3], after[4], after[9]) == (before[3], before[5], None)
    assert after[5] not in (before[5], None)
    said = capsys.readouterr().out
    assert "codes-of-all: 3 users; 1 have no item that the package knows, and get the popularity list" in said
    assert "store: 2 users upserted; 4 users" in said


def test_users_are_listed_the_items_that_score_best_without_those_they_have(capsys: pytest.CaptureFixture[str]) -> None:
    package, histories = drawn_package(), {5: [100, 103], 3: [106, 100, 7], 9: [1, 2]}
    pq.write_table(pa.table({"user": list(histories), "items": list(histories.values())}), "today.parquet")
    recommend_users(DATASET, ROW, Path("today.parquet"), Path("lists"), top=4)
    lists = {row["user"]: row for row in pq.read_table("lists").to_pylist()}
    assert list(lists) == [5, 3, 9]
    catalogue = package.items.ids.tolist()
    for user in (5, 3):
        history = [catalogue.index(item) for item in histories[user] if item in catalogue]
        row = csr_array((np.ones(len(history), np.float32), ([0] * len(history), history)), shape=(1, len(catalogue)))
        scores = package.items.weight @ package.quantizer.decode(Encoder(package).encode(row))[0] + package.items.bias
        scores[history] = -np.inf
        best = np.argsort(-scores)[:4]
        assert lists[user]["items"] == package.items.ids[best].tolist()
        np.testing.assert_allclose(lists[user]["scores"], scores[best], rtol=1e-5)
        assert not lists[user]["popular"]
    assert lists[9]["popular"]
    assert "the best 4 items of 3 users; 1 without a known item get the popular ones" in capsys.readouterr().out


def test_a_new_store_has_its_lock_file_so_that_readers_notice_writers_from_the_start() -> None:
    store_users(encoded("all", {1: [100]}), Path("store"))
    assert Path("store", LOCK).exists()


def test_users_are_forgotten_by_name_or_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    store = Path("store")
    store_users(encoded("all", {user: [100] for user in range(6)}), store)
    forget_users(store, user=["3", "4", "77"])
    pq.write_table(pa.table({"user": [1, 1, 3]}), "left.parquet")
    forget_users(store, users=Path("left.parquet"))
    assert list(held(store)) == [0, 2, 5]
    said = capsys.readouterr().out
    assert "store: 2 users deleted, 1 were not there; 4 users" in said
    assert "store: 1 users deleted, 1 were not there; 3 users" in said


def test_text_ids_are_forgotten_as_they_are_written() -> None:
    store = Path("store")
    store_users(encoded("all", {"Ada": [100], "42": [103]}), store)
    forget_users(store, user=["42"])
    assert list(held(store)) == ["Ada"]


def test_codes_of_a_new_package_go_into_a_new_store() -> None:
    old, new = open_digest(ROW), packed("other")
    store_users(encoded("all", {1: [100]}), Path("store"))
    with pytest.raises(UserError, match=f"holds codes of the package {old}, and these are of {new}"):
        store_users(encoded("anew", {1: [100]}, "other"), Path("store"))
    store_users(Path("codes-of-anew"), Path("new-store"))
    assert list(held(Path("store"))) == list(held(Path("new-store"))) == [1]


def open_digest(row: str) -> str:
    from stages.serving.package.files import load_package

    return load_package(paths.package(DATASET, row)).digest


def test_what_can_not_be_done_is_said_and_nothing_is_lost() -> None:
    codes, mine = encoded("all", {1: [100]}), Path("mine")
    mine.mkdir()
    (mine / "thesis.tex").touch()
    with pytest.raises(UserError, match="mine is there and is no store of users"):
        store_users(codes, mine)
    assert (mine / "thesis.tex").exists()
    store_users(codes, Path("store"))
    with pytest.raises(UserError, match=r"there are no codes .* in nowhere"):
        store_users(Path("nowhere"), Path("store"))
    with pytest.raises(UserError, match="'Ada' is text; give integers"):
        store_users(encoded("text", {"Ada": [100]}), Path("store"))
    with pytest.raises(UserError, match=r"the ids of this store are integers, not \['Ada'\]"):
        forget_users(Path("store"), user=["Ada"])
    with pytest.raises(UserError, match="give either --user with an id"):
        forget_users(Path("store"))
    with pytest.raises(UserError, match="nowhere is no store of users"):
        forget_users(Path("nowhere"), user=["1"])
    with pytest.raises(UserError, match=r"there is no left.parquet"):
        forget_users(Path("store"), users=Path("left.parquet"))
    pq.write_table(pa.table({"id": [1]}), "left.parquet")
    with pytest.raises(UserError, match=r"left.parquet is no Parquet file with a column user"):
        forget_users(Path("store"), users=Path("left.parquet"))
    assert list(held(Path("store"))) == [1]


def test_the_codes_do_not_depend_on_who_else_is_encoded() -> None:
    draws = np.random.default_rng(0)
    users = {user: (100 + 3 * draws.integers(0, 30, 8)).tolist() for user in range(50)}
    store_users(encoded("all", users), Path("store"))
    store_users(encoded("one", {7: users[7]}), Path("other"))
    assert held(Path("other"))[7] == held(Path("store"))[7]
