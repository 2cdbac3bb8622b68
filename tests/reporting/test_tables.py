"""The report's tables and sentences, from made-up rows."""

import pandas as pd

from stages.reporting.results import RowResult
from stages.reporting.tables import accuracy_table, code_usage_table, in_short, order_of_rows, rows_of_the_paper


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
