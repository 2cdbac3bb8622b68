"""The report's tables and sentences, from made-up rows."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from stages.reporting.comparisons import compare_with_twins
from stages.reporting.results import RowResult
from stages.reporting.tables import (
    accuracy_table,
    by_activity,
    by_popularity,
    code_usage_table,
    cost_table,
    gain_table,
    in_short,
    long_tail_table,
    most_popular,
    order_of_rows,
    protocol_table,
    rows_of_the_paper,
)
from stages.statistics.bootstrap import Bootstrap
from stages.statistics.groups import group_column

BOOTSTRAP = Bootstrap(resamples=500, seed=0)


def row(
    name: str, ndcg: list[float], size: float = 800.0, twin: str | None = None, post_hoc: str | None = None
) -> RowResult:
    return RowResult(
        name=name,
        family="trained" if twin else "float",
        stored="200 × float32",
        float_twin=twin,
        post_hoc_twin=post_hoc,
        bytes_per_user=size,
        shared_bytes=204800,
        variance_lost=0.125 if twin else 0.0,
        kmeans_errors=[],
        fit_seconds=None,
        encode_us=2.5,
        decode_us=0.25,
        per_user=pd.DataFrame(
            {"ndcg@100": ndcg, "recall@20": 0.5, "recall@50": 0.6, "precision@20": 0.2, "f1@20": 0.3}
        ),
        per_seed=pd.DataFrame({"ndcg@100": [0.3, 0.4, 0.5]}),
        code_usage=pd.DataFrame(
            {"codebook": [1, 2], "perplexity": [100.0, 200.0], "dead": [3, 5]} if twin else {"codebook": []}
        ),
    )


FLOAT = row("dae-200-200-200", [0.3, 0.5, 0.4])
POST_HOC = row("dae-200-200-200-pq-40x5", [0.29, 0.41, 0.38], size=40.0)
QUANTIZED = row("pq-vae-200-200-40x5", [0.27, 0.45, 0.36], 40.0, FLOAT.name, POST_HOC.name)
ROWS = [FLOAT, POST_HOC, QUANTIZED]
COMPARISONS = compare_with_twins(ROWS, BOOTSTRAP)


def test_a_row_shows_its_bytes_its_accuracy_its_spread_and_what_it_keeps() -> None:
    assert cells(accuracy_table(ROWS, [QUANTIZED.name], COMPARISONS, False))[1] == [
        "`pq-vae-200-200-40x5`",
        "200 × float32",
        "40",
        "2 G",
        "0.3600 ± 0.0520",
        "± 0.1000",
        "90.0 % (90.0–90.0)",
        "0.5000",
        "0.6000",
    ]


def test_a_row_without_a_twin_or_seeds_has_no_share_and_no_spread() -> None:
    single = replace(FLOAT, per_seed=FLOAT.per_seed[:1])
    assert cells(accuracy_table([single], [FLOAT.name], COMPARISONS, False))[1][5:7] == ["–", "–"]


def test_a_model_shows_what_its_training_cost() -> None:
    fits: dict[str, dict[str, Any]] = {
        "dae-8": {
            "seconds": 130.0, "precision": "bfloat16", "peak_memory_bytes": 1_500_000_000, "gpu_peak_memory_bytes": 2e9,
            "trainings": [
                {"seed": 0, "seconds": 60.0, "users_per_second": 9876},
                {"seed": 1, "seconds": 62.4, "users_per_second": 9878, "resumed_after_epoch": 5},
            ],
        },
        "popularity": {"seconds": 1.0, "peak_memory_bytes": 5e8},
    }  # fmt: skip
    assert cells(cost_table(fits))[1:] == [
        ["`dae-8`", "61.2 s, one resumed", "9,877", "bfloat16", "1.50 GB and 2.00 GB on the GPU"],
        ["`popularity`", "1.0 s", "–", "–", "0.50 GB"],
    ]


def test_the_papers_value_and_the_difference_stand_beside_where_asked() -> None:
    table = accuracy_table(ROWS, [QUANTIZED.name], COMPARISONS, True)
    assert cells(table)[1][-2:] == ["0.412", "-0.0520"]
    assert "0.412" not in accuracy_table(ROWS, [QUANTIZED.name], COMPARISONS, False)


def test_rows_that_are_not_there_are_left_out() -> None:
    assert "vae-600" not in accuracy_table(ROWS, ["vae-600-200-600", FLOAT.name], COMPARISONS, False)


def test_a_row_of_the_papers_name_but_not_its_bytes_is_not_the_papers() -> None:
    other = row("pq-vae-200-200-40x5", [0.2, 0.5, 0.41], size=20.0)
    assert rows_of_the_paper([FLOAT, QUANTIZED]) == [QUANTIZED]
    assert rows_of_the_paper([FLOAT, other]) == []


def test_in_short_says_what_each_row_quantized_in_training_keeps_and_gains() -> None:
    (sentence,) = in_short(ROWS, COMPARISONS)
    assert sentence == (
        "`pq-vae-200-200-40x5`: **40 bytes** per user instead of 800 keep **90.0 %** of NDCG@100, 95 % CI 90.0–90.0 "
        "(0.3600 of 0.4000); +0.0000 (95 % CI -0.0200 to +0.0400), which may be chance, against quantizing "
        "`dae-200-200-200` after training at equal bytes."
    )


@pytest.mark.parametrize(
    ("ndcg", "verdict"),
    [([0.39, 0.51, 0.48], "above"), ([0.19, 0.31, 0.28], "below"), ([0.27, 0.45, 0.36], "may be chance")],
)
def test_a_gain_over_quantizing_after_training_is_sure_where_its_interval_leaves_out_0(
    ndcg: list[float], verdict: str
) -> None:
    rows = [FLOAT, POST_HOC, row("pq-vae-200-200-40x5", ndcg, 40.0, FLOAT.name, POST_HOC.name)]
    line = cells(gain_table(rows, compare_with_twins(rows, BOOTSTRAP)))[1]
    assert line[:3] == ["`pq-vae-200-200-40x5`", "`dae-200-200-200-pq-40x5`", "40"]
    assert line[-1] == verdict


def test_the_papers_order_holds() -> None:
    rows = [row("pq-vae-200-200-20x10", [0.1, 0.2, 0.3], size=20.0), row("dae-200", [0.4, 0.2, 0.4])]
    expected = "**The paper's order of rows holds here**: `dae-200` > `pq-vae-200-200-20x10`."
    assert order_of_rows(rows, BOOTSTRAP) == expected


def test_the_papers_order_does_not_hold_and_by_how_much() -> None:
    rows = [row("pq-vae-200-200-20x10", [0.4, 0.2, 0.4], size=20.0), row("dae-200", [0.1, 0.2, 0.3])]
    sentence = order_of_rows(rows, BOOTSTRAP)
    assert sentence.startswith("**The paper's order of rows does not hold here.**")
    above = "- `pq-vae-200-200-20x10` is above `dae-200` by 0.1333 (95 % CI +0.0000 to +0.2683), which may be chance"
    assert above in sentence


def test_a_single_row_has_no_order() -> None:
    assert "no order to compare" in order_of_rows([FLOAT, QUANTIZED], BOOTSTRAP)


def test_code_usage_is_summed_up_over_codebooks() -> None:
    assert cells(code_usage_table([FLOAT, QUANTIZED]))[-1] == [
        "`pq-vae-200-200-40x5`",
        "2",
        "150.0",
        "100.0",
        "4.0",
        "5",
        "205 kB",
    ]


def cells(table: str) -> list[list[str]]:
    """A Markdown table without its rule."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def test_the_protocol_table_marks_what_is_not_as_published() -> None:
    found: dict[str, int | str] = {"users": 1000, "train_interactions": 5, "items_in_train_sha256": "ab" * 32}
    published: dict[str, int | str] = {"users": 1000, "items_in_train_sha256": "cd" * 32}
    assert cells(protocol_table(found, published)) == [
        ["", "here", "published", "same"],
        ["users", "1,000", "1,000", "yes"],
        ["train interactions", "5", "–", "–"],
        ["items in train, sha256", "`abababababababab…`", "`cdcdcdcdcdcdcdcd…`", "**NO**"],
    ]


def test_without_published_values_the_protocol_table_shows_what_is_here() -> None:
    assert cells(protocol_table({"held_out_pairs": 7}, None)) == [["", "here"], ["held-out pairs", "7"]]


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
    assert cells(long_tail_table({"dae-200": table})) == [
        ["row", "most popular", "second quarter", "rarest"],
        ["`dae-200`", "0.3000", "0.3000", "0.0500"],
    ]


def test_items_are_named_by_their_ids_and_titles() -> None:
    items = pd.DataFrame({"item": [7, 10**12, 9], "interactions": [5, 20, 1], "title": ["B", "A", "C"]})
    assert cells(most_popular(items, n_users=40))[:2] == [
        ["item", "title", "interactions", "of users"],
        ["1000000000000", "A", "20", "50.0%"],
    ]
    assert cells(most_popular(items[["item", "interactions"]], n_users=40))[1] == ["1000000000000", "20", "50.0%"]
