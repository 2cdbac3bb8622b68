"""The split against the published one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.config.dataset import SplitSettings
from stages.reporting.sections import split
from tests.reporting.made_up import EXPERIMENT, FLOAT, PUBLISHED, cells, results, tables_of


def test_the_protocol_table_marks_what_is_not_as_published() -> None:
    protocol: dict[str, int | str] = {"users": 1000, "train_interactions": 5, "items_in_train_sha256": "ab" * 32}
    published: dict[str, int | str] = {"users": 1000, "items_in_train_sha256": "cd" * 32}
    assert cells(split.protocol_table(protocol, published)) == [
        ["", "here", "published", "same"],
        ["users", "1,000", "1,000", "yes"],
        ["train interactions", "5", "–", "–"],
        ["items in train, sha256", "`abababababababab…`", "`cdcdcdcdcdcdcdcd…`", "**NO**"],
    ]


def test_without_published_values_the_protocol_table_shows_what_is_here() -> None:
    assert cells(split.protocol_table({"held_out_pairs": 7}, None)) == [["", "here"], ["held-out pairs", "7"]]


@pytest.mark.parametrize(
    ("users", "verdict"),
    [(3, "**This is the split of a famous notebook**: "), (4, "**This is not the split of a famous notebook.**")],
)
def test_the_split_is_the_published_one_or_not(users: int, verdict: str, tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT, protocol=PUBLISHED.values() | {"users": users}), tmp_path)
    assert verdict in split.words(tables, replace(EXPERIMENT, published=PUBLISHED))


BY_USERS = {"threshold": 3.5, "min_user_interactions": 5, "held_out_users": 1000, "held_out_share": 0.25, "seed": 7}
BY_TIME = BY_USERS | {"kind": "time"}
AT_CUT = BY_TIME | {"held_out_share": None, "cut": "2026-10-01"}


@pytest.mark.parametrize(
    ("settings", "is_said"),
    [
        (
            BY_USERS,
            "This is a split by users: training sees nothing of 1,000 users who are held out for validation, and of as "
            "many for test (strong generalization). Of the items of a held-out user 25 % are to be predicted, drawn at "
            "random; the others are the fold-in. Ratings above 3.5 count, without those of users with fewer than 5 "
            "interactions.",
        ),
        (
            BY_TIME | {"threshold": None, "min_item_interactions": 3},
            "This is a split by users and time: training sees nothing of 1,000 users who are held out for validation, "
            "and of as many for test (strong generalization). Of the items of a held-out user 25 % are to be "
            "predicted, the last ones by time; those before them are the fold-in. There is no date at which training "
            "ends, so it may know of what others did after a fold-in. All rows count; items with fewer than 3, "
            "then users with fewer than 5 interactions, were dropped, once each.",
        ),
        (
            AT_CUT | {"min_item_interactions": 3, "filter": "core"},
            "This is a split by users and time, with a cut at 2026-10-01 for all: training sees nothing of 1,000 users "
            "who are held out for validation, and of as many for test (strong generalization), nor of what anybody did "
            "from the cut on. Held out are users with interactions on both sides of it: those before it are the "
            "fold-in; those from it on, with items that are new to the user, are to be predicted. Ratings above 3.5 "
            "count; items with fewer than 3, then users with fewer than 5 interactions before the cut, were dropped, "
            "and again until all that were left had enough (rounds: 4).",
        ),
    ],
)
def test_what_is_held_out_and_dropped_is_told(settings: dict[str, Any], is_said: str, tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT, protocol={"users": 10, "filter_rounds": 4}), tmp_path)
    assert is_said in split.words(tables, replace(EXPERIMENT, split=SplitSettings(**settings))).split("\n\n")
