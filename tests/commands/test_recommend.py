"""Recommendations on the command line: for who is stored, for somebody new, and for everybody."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from stages.commands.recommend import recommend
from stages.interfaces.split import HeldOutUsers, Split, save_split
from stages.run import paths
from stages.run.errors import UserError
from stages.serving.encoding.encoder import Encoder
from stages.serving.package.files import load_package, write_package
from stages.serving.package.manifest import Origin
from stages.serving.package.package import Package
from stages.serving.scoring.dense import Dense
from stages.serving.store.store import open_store, write_store
from tests.damage import sealed
from tests.serving.scoring.packages import drawn_codes
from tests.serving.test_reasons import PACKAGE

DATASET, ROW = "ml-latest-small", "dae-200-opq-20x10"
N_ITEMS = 50  # ids are 0, 3, 6, …
TITLES = [f"Title of {3 * column}" for column in range(N_ITEMS)]
DRAWS = np.random.default_rng(3)
HISTORIES = csr_array((DRAWS.random((8, N_ITEMS)) < 0.2).astype(np.float32))
HELD_OUT = csr_array(((DRAWS.random((8, N_ITEMS)) < 0.1) & (HISTORIES.toarray() == 0)).astype(np.float32))
CODES = drawn_codes(PACKAGE, 9)
USERS = np.arange(100, 109)
"""Four of train, two of validation, two of test, and one who is stored and not in the split."""
WITHOUT_CODE = 103
ORIGIN = Origin(
    data_set="Drawn", row=ROW, seed=0, data_sha256="0" * 64, parameters_sha256="1" * 64, ndcg=None
)  # fmt: skip


def columns(matrix: csr_array, user: int) -> list[int]:
    return matrix[[user]].indices.tolist()


def left_behind(text_ids: bool = False) -> Package:
    """What the stages before leave of the row, in the current directory; the package."""
    users = np.array([f"user {user}" for user in USERS], object) if text_ids else USERS
    ids = np.array([f"item {item}" for item in PACKAGE.items.ids], object) if text_ids else PACKAGE.items.ids
    items = replace(PACKAGE.items, ids=ids, titles=TITLES)
    folder, split, store = paths.package(DATASET, ROW), paths.split(DATASET), paths.users(DATASET, ROW) / "store"
    for made in (folder, split, store):
        made.mkdir(parents=True)
    write_package(folder, ORIGIN, PACKAGE.encoder, PACKAGE.quantizer, items)
    held_out = [HeldOutUsers(HISTORIES[part], HELD_OUT[part]) for part in (slice(4, 6), slice(6, 8))]
    save_split(split, Split(HISTORIES[:4], *held_out, users[:8], ids), np.ones(8, int), np.ones(N_ITEMS, int), {})
    sealed(split / "train.npz")
    package = load_package(folder)
    write_store(store, users, CODES, USERS != WITHOUT_CODE, package.digest)
    return package


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return left_behind()


Answer = Callable[..., dict[str, Any]]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    def answered(**asked: Any) -> dict[str, Any]:
        recommend(DATASET, ROW, json=True, **asked)
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return answered


def items(found: dict[str, Any]) -> list[int | str]:
    return [one["item"] for one in found["items"]]


def expected(package: Package, code: np.ndarray, n: int, seen: list[int]) -> list[int | str]:
    found: list[int | str] = package.items.ids[Dense(package).top(code[None], n, [np.array(seen)]).items[0]].tolist()
    return found


def test_a_stored_user_gets_the_best_items_by_the_code_without_what_they_have(package: Package, answer: Answer) -> None:
    found = answer(user="101", top=7)
    assert items(found) == expected(package, CODES[1], 7, columns(HISTORIES, 1))
    assert (found["user"], found["row"], found["notes"], found["popular"]) == (101, ROW, [], False)
    history = {3 * column for column in columns(HISTORIES, 1)}
    for one in found["items"]:
        assert one["title"] == f"Title of {one['item']}"
        assert {reason["item"] for reason in one["because"]} <= history


def test_what_is_held_out_of_a_user_is_left_out_and_gives_no_reason(package: Package, answer: Answer) -> None:
    found = answer(user="106", top=20)
    assert items(found) == expected(package, CODES[6], 20, columns(HISTORIES, 6) + columns(HELD_OUT, 6))
    shown = {3 * column for column in columns(HISTORIES, 6)}
    assert {reason["item"] for one in found["items"] for reason in one["because"]} <= shown


def test_of_a_user_without_a_history_nothing_is_left_out_and_that_is_said(package: Package, answer: Answer) -> None:
    found = answer(user="108", top=5)
    assert items(found) == expected(package, CODES[8], 5, [])
    assert found["notes"] == ["no history of this user is known, so nothing is left out"]


def test_a_user_without_a_code_gets_what_is_popular_and_is_told_so(package: Package, answer: Answer) -> None:
    found = answer(user=str(WITHOUT_CODE), top=3)
    order = np.argsort(-package.items.interactions, kind="stable")
    assert items(found) == [3 * column for column in order if column not in columns(HISTORIES, 3)][:3]
    assert found["popular"]
    assert "these are the most popular items" in found["notes"][0]


def test_somebody_new_is_encoded_at_once(package: Package, answer: Answer) -> None:
    found = answer(items="0, 6,30", top=5)
    interactions = np.zeros((1, N_ITEMS), np.float32)
    interactions[0, [0, 2, 10]] = 1
    (code,) = Encoder(package).encode(csr_array(interactions))
    assert items(found) == expected(package, code, 5, [0, 2, 10])
    assert (found["user"], found["notes"]) == (None, [])


def test_items_that_are_unknown_or_given_twice_are_said_and_the_rest_is_used(package: Package, answer: Answer) -> None:  # noqa: ARG001
    found = answer(items="0,6,7,6,30,8", top=5)
    assert items(found) == items(answer(items="0,6,30", top=5))
    assert found["notes"] == [
        "given more than once, counted once: 6",
        "not among the package's items, so left aside: 7, 8",
    ]


@pytest.mark.parametrize("history", ["7,8", "", "1,2,4,5,7,8,10"])
def test_without_a_known_item_the_popular_ones_follow(history: str, package: Package, answer: Answer) -> None:
    found = answer(items=history, top=3)
    assert items(found) == (3 * np.argsort(-package.items.interactions, kind="stable")[:3]).tolist()
    assert found["popular"]
    assert found["notes"][-1] == "there is no known item to make a code of: these are the most popular items"
    if len(history) > 3:
        assert found["notes"][0].endswith("left aside: 1, 2, 4, 5, 7 and 2 more")


def test_without_json_there_is_a_line_for_each_item_and_the_notes_go_to_the_errors(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    recommend(DATASET, ROW, items="0,7", top=2)
    out, errors = capsys.readouterr()
    header, *lines = out.splitlines()
    assert header.split() == ["score", "item", "title", "because", "of"]
    assert len(lines) == 2
    assert "Title of" in lines[0]
    scored, note = errors.splitlines()
    assert scored.startswith("scored by ")
    assert note == "not among the package's items, so left aside: 7"
    assert package.items.titles == TITLES


def test_ids_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    package = left_behind(text_ids=True)
    assert items(answer(user="user 101", top=4)) == expected(package, CODES[1], 4, columns(HISTORIES, 1))
    assert items(answer(items='"item 0",item 6', top=4)) == items(answer(items="item 6, item 0", top=4))
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=4)
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == [f"user {user}" for user in USERS]
    assert table["items"][1].as_py() == expected(package, CODES[1], 4, columns(HISTORIES, 1))


def test_everybody_in_the_store_gets_what_one_of_them_would(
    package: Package, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=6)
    assert "the best 6 items of 9 users; 1 of them have no code" in capsys.readouterr().out
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == USERS.tolist()
    assert table["popular"].to_pylist() == (USERS == WITHOUT_CODE).tolist()
    for user, shown in zip(USERS, table["items"].to_pylist(), strict=True):
        assert shown == items(answer(user=str(user), top=6))
    assert len(package.items.ids) == N_ITEMS


def test_histories_of_a_file_take_the_place_of_the_split(package: Package, answer: Answer) -> None:
    pq.write_table(pa.table({"user": [108, 101], "items": [[0, 3, 1], [9]]}), "mine.parquet")
    mine = Path("mine.parquet")
    assert items(answer(user="108", top=5, histories=mine)) == expected(package, CODES[8], 5, [0, 1])
    assert answer(user="102", top=5, histories=mine)["notes"] == [
        "no history of this user is known, so nothing is left out"
    ]
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=5, histories=mine)
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == [108, 101]
    assert table["items"][1].as_py() == expected(package, CODES[1], 5, [3])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "for whom?"),
        ({"user": "101", "items": "0"}, "for whom?"),
        ({"user": "101", "out": Path("top.parquet")}, "--all and --out FILE go together"),
        ({"all": True}, "--all and --out FILE go together"),
        ({"items": "0", "histories": Path("mine.parquet")}, "leave out --histories"),
        ({"user": "7"}, "store does not know user 7"),
        ({"user": "x"}, "--user 'x': an id is an integer of 64 bits here"),
        ({"user": str(2**63)}, "an id is an integer of 64 bits here"),
        ({"items": "0,x"}, "--items 'x': an id is an integer of 64 bits here"),
        ({"user": "101", "top": 51}, "a list of 51 items where the package has 50"),
        ({"items": "0", "top": 0}, "a list of 0 items where the package has 50"),
        ({"user": "103", "top": 51}, "a list of 51 items where the package has 50"),
        ({"all": True, "out": Path("top.parquet"), "top": 51}, "a list of 51 items where the package has 50"),
        ({"user": "101", "histories": Path("none.parquet")}, "there is no none.parquet"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(asked: dict[str, Any], said: str, package: Package) -> None:  # noqa: ARG001
    with pytest.raises(UserError, match=said) as told:
        recommend(DATASET, ROW, **asked)
    assert "\n" not in str(told.value)
    assert not list(Path().glob("top.parquet*"))


def test_a_package_and_a_store_of_different_digests_are_not_mixed(package: Package) -> None:
    store = paths.users(DATASET, ROW) / "store"
    shutil.rmtree(store)
    store.mkdir()
    write_store(store, USERS, CODES, USERS > 0, "f" * 64)
    with pytest.raises(UserError, match=f"holds codes of the package f{{64}}, not of {package.digest}"):
        recommend(DATASET, ROW, user="101")


def test_a_user_who_was_deleted_is_not_known_any_more(package: Package) -> None:  # noqa: ARG001
    with open_store(paths.users(DATASET, ROW) / "store", writable=True) as store:
        store.delete([101])
    with pytest.raises(UserError, match="does not know user 101"):
        recommend(DATASET, ROW, user="101")
