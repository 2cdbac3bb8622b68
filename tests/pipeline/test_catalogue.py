"""Entries of params.yaml whose data are got by hand, or are made up, bring small data of that form to a split.

An entry is taken as it stands, but for the numbers that only large data reach.
"""

import json
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.interactions.sources import made_up_log
from stages.interfaces.split import load_split
from tests.interactions import literal
from tests.interactions.protocol.test_strong_generalization import as_literal
from tests.pipeline.clone import ROOT, Clone, tiny_ratings

ENTRIES: dict[str, dict[str, Any]] = YAML(typ="safe").load(ROOT / "params.yaml")["datasets"]
HELD_OUT = {"held_out_users": 20}
RATING = ["userId", "movieId", "rating"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("clone"))


def preprocess(clone: Clone, name: str, **changes: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What the split of an entry says of itself, and the warnings; changes : of blocks of the entry."""
    changes = {"split": HELD_OUT, **changes}
    clone.params["datasets"][name] = {
        block: content | changes.get(block, {}) if isinstance(content, dict) else content
        for block, content in ENTRIES[name].items()
    }
    clone.write_params()
    clone.stage("download", dataset=name)
    ended = clone.module("stages.preprocess", "--dataset", name)
    assert ended.status == 0, ended.errors
    return json.loads((clone.folder / f"data/{name}/split/protocol.json").read_text()), ended.errors.splitlines()


def files_of_split(clone: Clone, name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (clone.folder / f"data/{name}/split").iterdir()}


LISTENERS = [f"b8{number:038x}" for number in range(210)]
SONGS = [f"SO{number:02}" for number in range(22)]


@pytest.fixture
def triplets(clone: Clone) -> int:
    """Plays as they are published; how many lines."""
    songs_of = {user: [*SONGS, "SOEDGE", "SORARE"] for user in LISTENERS[:199]}
    songs_of |= dict.fromkeys(LISTENERS[199:], SONGS)
    songs_of[LISTENERS[0]] = [*SONGS, "SOEDGE"]
    songs_of["a1"] = [*SONGS[:18], "SOEDGE", "SORARE"]
    lines = [f"{user}\t{song}\t{1 + len(song)}\n" for user, songs in songs_of.items() for song in songs]
    with zipfile.ZipFile(clone.folder / "data/train_triplets.txt.zip", "w") as archive:
        archive.writestr("train_triplets.txt", "".join(lines))
    return len(lines)


def test_of_the_million_song_dataset_rare_songs_are_dropped_and_then_users_with_few_songs(
    clone: Clone, triplets: int
) -> None:
    counts, _ = preprocess(clone, "msd")
    assert counts["ratings"] == triplets
    split = load_split(clone.folder / "data/msd/split")
    assert sorted(split.users) == LISTENERS  # not a1: 20 songs, but SORARE has 199 listeners
    assert sorted(split.items) == [*SONGS, "SOEDGE"]  # which has 200 with a1


@pytest.mark.usefixtures("triplets")
def test_of_counts_that_are_published_in_part_a_warning_names_those_that_differ(clone: Clone) -> None:
    def warning(name: str) -> str:
        return (
            f"WARNING: this is not the published split: {name} is {counts[name]}, "
            f"published {ENTRIES['msd']['published'][name]}"
        )

    counts, warnings = preprocess(clone, "msd")
    assert warnings == [warning("users"), warning("items_in_train")]
    right = {"users": counts["users"]}
    assert preprocess(clone, "msd", published=right)[1] == [warning("items_in_train")]
    assert preprocess(clone, "msd", published=right | {"items_in_train": counts["items_in_train"]})[1] == []


@pytest.fixture(scope="module")
def movies() -> dict[int, pd.DataFrame]:
    """Movie → its ratings; those of the tiny set have 4 and 5 stars, and there are others of 3."""
    ratings = tiny_ratings()
    ratings["rating"] = 4 + ratings["userId"] % 2
    others = ratings.assign(movieId=ratings["movieId"] + 1, rating=3)
    both = pd.concat([ratings, others]).drop_duplicates(["userId", "movieId"]).sample(frac=1, random_state=0)
    return {movie: both[both["movieId"] == movie] for movie in range(1, 42)}


def in_lines(movies: dict[int, pd.DataFrame]) -> str:
    """As the Netflix Prize has them."""
    return "".join(
        f"{movie}:\n"
        + of_movie.assign(date="2005-09-06")[["userId", "rating", "date"]].to_csv(header=False, index=False)
        for movie, of_movie in movies.items()
    )


def test_both_layouts_of_the_netflix_prize_give_the_same_split_of_four_stars_and_more(
    clone: Clone, movies: dict[int, pd.DataFrame]
) -> None:
    folder = clone.folder / "data/netflix-prize"
    folder.mkdir()
    for movie, of_movie in movies.items():
        (folder / f"mv_{movie:07}.txt").write_text(in_lines({movie: of_movie}))
    counts, _ = preprocess(clone, "netflix")
    a_file_each = files_of_split(clone, "netflix")
    rows = list(pd.concat(movies.values())[RATING].itertuples(index=False, name=None))
    assert counts["ratings"] == len(rows) > counts["interactions"]
    assert as_literal(load_split(clone.folder / "data/netflix/split")) == literal.split(rows, 3.5, 5, 20, 0.2, 98765)

    for path in folder.iterdir():
        path.unlink()
    for number in range(4):
        some = {movie: of_movie for movie, of_movie in movies.items() if movie // 11 == number}
        (folder / f"combined_data_{number + 1}.txt").write_text(in_lines(some))
    preprocess(clone, "netflix")
    assert files_of_split(clone, "netflix") == a_file_each


def test_of_yambda_the_last_likes_are_to_be_predicted(clone: Clone) -> None:
    likes = tiny_ratings().sample(frac=1, random_state=0, ignore_index=True)
    likes["timestamp"] = 5 * likes.index
    columns = {"userId": "uid", "timestamp": "timestamp", "movieId": "item_id"}
    table = likes[[*columns]].rename(columns=columns).astype("uint32").assign(is_organic=np.uint8(1))
    table.to_parquet(clone.folder / "data/likes.parquet")
    counts, _ = preprocess(clone, "yambda")
    assert counts["items"] < likes["movieId"].nunique()
    rows = list(likes[[*RATING, "timestamp"]].itertuples(index=False, name=None))
    expected = literal.split_by_time(rows, 3.5, 5, 20, 0.2, 98765, of_item=100)
    assert as_literal(load_split(clone.folder / "data/yambda/split")) == expected


def test_a_made_up_log_gives_the_same_split_in_however_many_parts(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_up_log, "ROWS_PER_FILE", 7000)
    small = {"users": 500, "items": 300, "rows": 20_000}
    counts, _ = preprocess(clone, "rehearsal-66m", source=small)
    in_memory = files_of_split(clone, "rehearsal-66m")
    assert len(list((clone.folder / "data/rehearsal-66m/raw/synthetic-log").iterdir())) == 3
    assert counts["ratings"] == 20_000
    assert counts["superseded_ratings"] > 0
    clone.params["scale"]["parts"] = 3
    preprocess(clone, "rehearsal-66m", source=small)
    assert files_of_split(clone, "rehearsal-66m") == in_memory
    clone.params["scale"]["parts"] = 1
