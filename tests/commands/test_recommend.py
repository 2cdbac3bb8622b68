"""Recommendations on the command line: for who is stored, for somebody new, and for everybody."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from stages.commands.recommend import recommend
from stages.run import paths
from stages.run.errors import UserError
from stages.serving.encoding.encoder import Encoder
from stages.serving.scoring.dense import Dense
from stages.serving.store.store import open_store, write_store
from tests.serving.served import DATASET, ROW, WITHOUT_CODE, Served, leave_served

N_ITEMS = 50
IDS = 3 * np.arange(N_ITEMS)
USERS = np.arange(100, 109)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def served(here: Path) -> Served:  # noqa: ARG001
    return leave_served(USERS, IDS)


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


def liked(matrix: csr_array, user: int) -> list[int]:
    return matrix[[user]].indices.tolist()


def best(served: Served, code: np.ndarray, n: int, seen: list[int]) -> list[int | str]:
    columns = Dense(served.package).top(code[None], n, [np.array(seen)]).items[0]
    found: list[int | str] = served.package.items.ids[columns].tolist()
    return found


def popular(served: Served, n: int, seen: list[int]) -> list[int]:
    order = np.argsort(-served.package.items.interactions, kind="stable")
    return IDS[[column for column in order if column not in seen][:n]].tolist()


def test_a_stored_user_gets_the_best_items_by_the_code_without_what_they_have(served: Served, answer: Answer) -> None:
    found, history = answer(user="101", top=7), liked(served.histories, 1)
    assert items(found) == best(served, served.codes[1], 7, history)
    assert (found["user"], found["row"], found["notes"], found["popular"]) == (101, ROW, [], False)
    for one in found["items"]:
        assert one["title"] == f"Title of {one['item']}"
        assert {reason["item"] for reason in one["because"]} <= set(IDS[history].tolist())


def test_what_is_held_out_of_a_user_is_left_out_and_gives_no_reason(served: Served, answer: Answer) -> None:
    found, history = answer(user="106", top=20), liked(served.histories, 6)
    assert items(found) == best(served, served.codes[6], 20, history + liked(served.held_out, 6))
    reasons = {reason["item"] for one in found["items"] for reason in one["because"]}
    assert reasons <= set(IDS[history].tolist())


def test_of_a_user_without_a_history_nothing_is_left_out_and_that_is_said(served: Served, answer: Answer) -> None:
    found = answer(user="108", top=5)
    assert items(found) == best(served, served.codes[8], 5, [])
    assert found["notes"] == ["no history of this user is known, so nothing is left out"]


def test_a_user_without_a_code_gets_what_is_popular_and_is_told_so(served: Served, answer: Answer) -> None:
    found = answer(user=str(USERS[WITHOUT_CODE]), top=3)
    assert items(found) == popular(served, 3, liked(served.histories, WITHOUT_CODE))
    assert found["popular"]
    assert "these are the most popular items" in found["notes"][0]


def test_somebody_new_is_encoded_at_once(served: Served, answer: Answer) -> None:
    found = answer(items="0, 6,30", top=5)
    interactions = np.zeros((1, N_ITEMS), np.float32)
    interactions[0, [0, 2, 10]] = 1
    (code,) = Encoder(served.package).encode(csr_array(interactions))
    assert items(found) == best(served, code, 5, [0, 2, 10])
    assert (found["user"], found["notes"]) == (None, [])


@pytest.mark.usefixtures("served")
def test_items_that_are_unknown_or_given_twice_are_said_and_the_rest_is_used(answer: Answer) -> None:
    found = answer(items="0,6,7,6,30,8", top=5)
    assert items(found) == items(answer(items="0,6,30", top=5))
    assert found["notes"] == [
        "given more than once, counted once: 6",
        "not among the package's items, so left aside: 7, 8",
    ]


@pytest.mark.parametrize("history", ["7,8", "", "1,2,4,5,7,8,10"])
def test_without_a_known_item_the_popular_ones_follow(history: str, served: Served, answer: Answer) -> None:
    found = answer(items=history, top=3)
    assert items(found) == popular(served, 3, [])
    assert found["popular"]
    assert found["notes"][-1] == "there is no known item to make a code of: these are the most popular items"
    if len(history) > 3:
        assert found["notes"][0].endswith("left aside: 1, 2, 4, 5, 7 and 2 more")


@pytest.mark.usefixtures("served")
def test_without_json_there_is_a_line_for_each_item_and_the_notes_go_to_the_errors(
    capsys: pytest.CaptureFixture[str],
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


@pytest.mark.usefixtures("here")
def test_ids_of_text(answer: Answer) -> None:
    users = np.array([f"user {user}" for user in USERS], object)
    served = leave_served(users, np.array([f"item {item}" for item in IDS], object))
    history = liked(served.histories, 1)
    assert items(answer(user="user 101", top=4)) == best(served, served.codes[1], 4, history)
    assert items(answer(items='"item 0",item 6', top=4)) == items(answer(items="item 6, item 0", top=4))
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=4)
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == users.tolist()
    assert table["items"][1].as_py() == best(served, served.codes[1], 4, history)


@pytest.mark.usefixtures("served")
def test_everybody_in_the_store_gets_what_one_of_them_would(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=6)
    assert "the best 6 items of 9 users; 1 of them have no code" in capsys.readouterr().out
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == USERS.tolist()
    assert table["popular"].to_pylist() == (np.arange(9) == WITHOUT_CODE).tolist()
    for user, shown in zip(USERS, table["items"].to_pylist(), strict=True):
        assert shown == items(answer(user=str(user), top=6))


def test_histories_of_a_file_take_the_place_of_the_split(served: Served, answer: Answer) -> None:
    pq.write_table(pa.table({"user": [108, 101], "items": [[0, 3, 1], [9]]}), "mine.parquet")
    mine = Path("mine.parquet")
    assert items(answer(user="108", top=5, histories=mine)) == best(served, served.codes[8], 5, [0, 1])
    nothing = answer(user="102", top=5, histories=mine)
    assert nothing["notes"] == ["no history of this user is known, so nothing is left out"]
    recommend(DATASET, ROW, all=True, out=Path("top.parquet"), top=5, histories=mine)
    table = pq.read_table("top.parquet")
    assert table["user"].to_pylist() == [108, 101]
    assert table["items"][1].as_py() == best(served, served.codes[1], 5, [3])


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
@pytest.mark.usefixtures("served")
def test_what_cannot_be_answered_is_one_sentence(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        recommend(DATASET, ROW, **asked)
    assert "\n" not in str(told.value)
    assert not list(Path().glob("top.parquet*"))


def test_a_package_and_a_store_of_different_digests_are_not_mixed(served: Served) -> None:
    store = paths.users(DATASET, ROW) / "store"
    shutil.rmtree(store)
    store.mkdir()
    write_store(store, USERS, served.codes, USERS > 0, "f" * 64)
    with pytest.raises(UserError, match=f"holds codes of the package f{{64}}, not of {served.package.digest}"):
        recommend(DATASET, ROW, user="101")


def test_a_copied_package_and_store_take_the_place_of_the_last_runs(served: Served, answer: Answer) -> None:
    shutil.copytree(paths.package(DATASET, ROW), "package")
    shutil.copytree(paths.users(DATASET, ROW) / "store", "store")
    shutil.rmtree(paths.package(DATASET, ROW))
    with open_store(paths.users(DATASET, ROW) / "store", writable=True) as store:
        store.delete([108])
    pq.write_table(pa.table({"user": [108], "items": [[0, 3, 1]]}), "mine.parquet")
    copies: dict[str, Any] = {"package": Path("package"), "store": Path("store"), "histories": Path("mine.parquet")}
    assert items(answer(user="108", top=5, **copies)) == best(served, served.codes[8], 5, [0, 1])
    with pytest.raises(UserError, match=f"package is a package of {ROW}, not of other"):
        recommend(DATASET, "other", user="108", **copies)


@pytest.mark.usefixtures("here")
def test_histories_are_not_replaced_by_the_lists() -> None:
    pq.write_table(pa.table({"user": [108], "items": [[0, 3, 1]]}), "mine.parquet")
    before = Path("mine.parquet").read_bytes()
    with pytest.raises(UserError, match=r"--out mine\.parquet would replace the histories"):
        recommend(DATASET, ROW, all=True, out=Path("mine.parquet"), histories=Path("mine.parquet"))
    assert Path("mine.parquet").read_bytes() == before


@pytest.mark.usefixtures("served")
def test_a_user_who_was_deleted_is_not_known_any_more() -> None:
    with open_store(paths.users(DATASET, ROW) / "store", writable=True) as store:
        store.delete([101])
    with pytest.raises(UserError, match="does not know user 101"):
        recommend(DATASET, ROW, user="101")


@pytest.mark.usefixtures("served")
def test_a_package_of_another_seed_than_params_yaml_says_does_not_serve() -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("  seed: 0 # of the training that ships", "  seed: 1 #"))
    with pytest.raises(UserError, match=r"is of seed 0, and serving\.seed in params\.yaml is 1; run dvc repro"):
        recommend(DATASET, ROW, user="101")
