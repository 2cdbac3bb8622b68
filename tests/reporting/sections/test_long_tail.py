"""NDCG@100 by activity and by popularity."""

from pathlib import Path

import pandas as pd

from stages.evaluation.groups import group_column
from stages.reporting.results import RowResult
from stages.reporting.sections import long_tail
from stages.reporting.sections.long_tail import (
    by_activity,
    by_popularity,
    group_table,
    most_popular,
    popular_table,
    rows_drawn,
)
from tests.reporting.made_up import EXPERIMENT, FLOAT, cells, results, row, tables_of


def by_user(fold_in: list[int], ndcg: list[float]) -> RowResult:
    result = row("dae-200", ndcg)
    result.per_user["fold_in"] = fold_in
    return result


def test_activity_is_in_quarters_of_the_users() -> None:
    table = by_activity(by_user([4, 8, 1, 5, 2, 7, 3, 6], [0.4, 0.8, 0.1, 0.5, 0.2, 0.7, 0.3, 0.6]))
    assert table["group"].tolist() == ["1–2", "3–4", "5–6", "7–8"]
    assert table["ndcg@100"].round(9).tolist() == [0.15, 0.35, 0.55, 0.75]


def test_users_of_the_same_activity_stay_together() -> None:
    table = by_activity(by_user([5, 5, 5, 5, 9], [0.1, 0.2, 0.3, 0.4, 0.9]))
    assert list(zip(table["group"], table["users"], strict=True)) == [("5", 4), ("9", 1)]


def test_popularity_leaves_out_users_without_such_items() -> None:
    result = row("dae-200", [0.1, 0.2])
    for group, values in enumerate([[0.2, 0.4], [0.3, float("nan")], [float("nan")] * 2, [0.0, 0.1]]):
        result.per_user[group_column(group)] = values
    table = by_popularity(result)
    assert table["quarter"].tolist() == [1, 2, 4]
    assert table["users"].tolist() == [2, 1, 2]
    assert table["ndcg@100"].round(9).tolist() == [0.3, 0.3, 0.05]
    assert cells(group_table(table)) == [
        ["row", "most popular", "second quarter", "rarest"],
        ["`dae-200`", "0.3000", "0.3000", "0.0500"],
    ]


def test_items_are_named_by_their_ids_and_titles() -> None:
    items = pd.DataFrame({"item": [7, 10**12, 9], "interactions": [5, 20, 1], "title": ["B", "A", None]})
    assert cells(popular_table(most_popular(items), n_users=40)) == [
        ["item", "title", "interactions", "of users"],
        ["1000000000000", "A", "20", "50.0 %"],
        ["7", "B", "5", "12.5 %"],
        ["9", "", "1", "2.5 %"],
    ]


def test_ids_without_titles_are_not_listed() -> None:
    items = pd.DataFrame({"item": [7, 8], "interactions": [20, 3]})
    assert most_popular(items).empty
    assert most_popular(items.assign(item=["a", "b"])).columns.tolist() == ["item", "title", "interactions"]


def test_a_title_cannot_break_the_table() -> None:
    items = pd.DataFrame({"item": ["a"], "interactions": [5], "title": ["this | that"]})
    assert r"this \| that" in popular_table(most_popular(items), n_users=40)


def test_interactions_fall_with_the_rank(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    table = tables["figures/distribution"]
    assert table[table["of"] == "user"]["interactions"].tolist() == [9, 7, 5]
    assert "These items have the most interactions" in long_tail.words(tables, EXPERIMENT)


def test_few_rows_are_drawn_what_others_are_held_against_and_the_best_of_few_bytes() -> None:
    rows = pd.DataFrame(
        [
            ("popularity", "reference", "", 0, 0.1, 0.1),
            ("ease", "reference", "", 264, 0.5, 0.5),
            ("a third reference", "reference", "", 264, 0.5, 0.5),
            ("dae", "float", "", 800, 0.4, 0.4),
            ("nobody's twin", "float", "", 2400, 0.4, 0.4),
            ("in-loop", "trained", "dae", 40, 0.3, 0.4),
            ("in-loop, worse on validation", "trained", "dae", 40, 0.2, 0.5),
            ("many bytes", "scalar", "dae", 200, 0.4, 0.4),
            ("post-hoc", "additive", "dae", 10, 0.3, 0.3),
            ("post-hoc, worse", "product", "dae", 40, 0.2, 0.2),
        ],
        columns=["row", "family", "float_twin", "bytes_per_user", "validation_ndcg", "ndcg@100"],
    )
    assert rows_drawn(rows)["row"].tolist() == ["popularity", "ease", "dae", "in-loop", "post-hoc"]
