"""The report's tables and sentences, from made-up rows."""

from typing import Any

import pandas as pd

from stages.params import Row
from stages.ranking.groups import group_column
from stages.reporting.results import RowResult
from stages.reporting.tables import (
    accuracy_table,
    by_activity,
    by_popularity,
    code_usage_table,
    cost_table,
    in_short,
    long_tail_table,
    most_popular,
    order_of_rows,
    protocol_table,
    rows_of_the_paper,
)


def row(name: str, ndcg: list[float], size: float = 800.0, twin: str | None = None) -> RowResult:
    values = pd.DataFrame({"ndcg@100": ndcg})
    mean = {"ndcg@100": values["ndcg@100"].mean(), "recall@20": 0.5, "recall@50": 0.6}
    usage = pd.DataFrame({"chunk": [1, 2], "perplexity": [100.0, 200.0], "dead": [3, 5]}) if twin else pd.DataFrame()
    return RowResult(name, "float", "200 × float32", twin, size, 204800, mean, dict.fromkeys(mean, 0.01), values, usage)


FLOAT = row("dae-200-200-200", [0.3, 0.5, 0.4])
QUANTIZED = row("pq-vae-200-200-40x5", [0.2, 0.5, 0.41], size=40.0, twin="dae-200-200-200")


def test_a_row_shows_its_bytes_its_accuracy_and_what_it_keeps() -> None:
    cells = accuracy_table([FLOAT, QUANTIZED], [QUANTIZED.name], False).splitlines()[-1].split("|")
    assert [cell.strip() for cell in cells[1:-1]] == [
        "`pq-vae-200-200-40x5`",
        "200 × float32",
        "40",
        "2 G",
        "0.3700 ± 0.0100",
        "92.5 ± 8.8 %",
        "0.5000",
        "0.6000",
    ]


def test_a_row_shows_what_it_cost_with_its_models_training_and_its_quantizer() -> None:
    records: dict[str, dict[str, Any]] = {
        "train-dae-8": {
            "seconds": 61.23, "users_per_second": 9876, "precision": "bfloat16", "peak_memory_bytes": 1_500_000_000,
            "gpu_peak_memory_bytes": 2e9,
        },
        "train-popularity": {"seconds": 1.0, "peak_memory_bytes": 5e8},
        "quantize-dae-8-pq-4x2": {"seconds": 7.0},
        **{f"evaluate-{row}": {"seconds": 2.0} for row in ("dae-8-pq-4x2", "popularity")},
    }  # fmt: skip
    lines = cost_table([Row("dae-8", "pq-4x2"), Row("popularity", None)], records).splitlines()[2:]
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] == [
        ["`dae-8-pq-4x2`", "61.2 s", "9,876", "bfloat16", "1.50 GB and 2.00 GB on the GPU", "7.0 s", "2.0 s"],
        ["`popularity`", "1.0 s", "–", "–", "0.50 GB", "–", "2.0 s"],
    ]


def test_the_papers_value_and_the_difference_stand_beside_where_asked() -> None:
    table = accuracy_table([FLOAT, QUANTIZED], [QUANTIZED.name], True)
    assert "| 0.412 |" in " ".join(table.split())
    assert "-0.0420" in table
    assert "0.412" not in accuracy_table([FLOAT, QUANTIZED], [QUANTIZED.name], False)


def test_rows_that_are_not_there_are_left_out() -> None:
    assert "vae-600" not in accuracy_table([FLOAT], ["vae-600-200-600", FLOAT.name], False)


def test_a_row_of_the_papers_name_but_not_its_bytes_is_not_the_papers() -> None:
    other = row("pq-vae-200-200-40x5", [0.2, 0.5, 0.41], size=20.0)
    assert rows_of_the_paper([FLOAT, QUANTIZED]) == [QUANTIZED]
    assert rows_of_the_paper([FLOAT, other]) == []


def test_in_short_says_what_each_quantized_row_stores_and_keeps() -> None:
    (sentence,) = in_short([FLOAT, QUANTIZED])
    assert "**40 bytes** per user instead of 800, 20× less, keep **92.5 ± 8.8 %**" in sentence


def test_the_papers_order_holds() -> None:
    rows = [row("pq-vae-200-200-20x10", [0.1, 0.2, 0.3], size=20.0), row("dae-200", [0.4, 0.2, 0.4])]
    assert order_of_rows(rows) == "**The paper's order of rows holds here**: `dae-200` > `pq-vae-200-200-20x10`."


def test_the_papers_order_does_not_hold_and_by_how_much() -> None:
    rows = [row("pq-vae-200-200-20x10", [0.4, 0.2, 0.4], size=20.0), row("dae-200", [0.1, 0.2, 0.3])]
    sentence = order_of_rows(rows)
    assert sentence.startswith("**The paper's order of rows does not hold here.**")
    assert "- `pq-vae-200-200-20x10` is above `dae-200` by 0.1333, 1.5 standard errors, which may be chance" in sentence


def test_a_single_row_has_no_order() -> None:
    assert "no order to compare" in order_of_rows([FLOAT, QUANTIZED])


def test_code_usage_is_summed_up_over_chunks() -> None:
    cells = code_usage_table([FLOAT, QUANTIZED]).splitlines()[-1].split("|")
    assert [cell.strip() for cell in cells[1:-1]] == [
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
