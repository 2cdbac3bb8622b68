"""The split against the published one."""

from dataclasses import replace
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("users", "verdict"), [(3, "**This is the published split**"), (4, "**This is not what")])
def test_the_split_is_the_published_one_or_not(users: int, verdict: str, tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT, protocol=PUBLISHED.model_dump() | {"users": users}), tmp_path)
    assert verdict in split.words(tables, replace(EXPERIMENT, published=PUBLISHED))
