"""What decides, at the report's beginning."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.reporting.sections import in_brief
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, cells, full_results, results, row, tables_of


def line(text: str, start: str) -> str:
    """The one line of the list that begins so."""
    return next(line for line in text.splitlines() if line.startswith(f"- **{start}"))


def test_the_table_has_the_baselines_the_float_models_and_the_best_codes(tmp_path: Path) -> None:
    table = cells(in_brief.words(tables_of(full_results(), tmp_path), EXPERIMENT))
    assert [of_row[:5] for of_row in table[1:]] == [
        ["reference", "`popularity`", "0", "0 GB", "0.1000"],
        ["reference", "`ease`", "264.2", "7.93 GB", "0.5000"],
        ["best float model", "`dae-200-200-200`", "800", "24 GB", "0.4000"],
        ["best at ≤ 40 bytes", "`pq-vae-200-200-40x5`", "40", "1.2 GB", "0.3600"],
        ["best at ≤ 20 and ≤ 10 and ≤ 5 bytes", "`20`", "1", "0.0302 GB", "0.3000"],
    ]
    assert table[4][6].startswith("86.7 % (")


def test_the_table_has_eight_rows_at_most(tmp_path: Path) -> None:
    names = [f"reference {number}" for number in range(4)]
    rows = [replace(row(name, [0.1, 0.2], 0), family="reference") for name in names]
    rows += [row("twin", [0.4, 0.5]), row("large", [0.5, 0.6])]
    rows += [row(f"{size} bytes", [size / 100, 0.3], size, "twin") for size in (40, 20, 10, 5, 4, 3)]
    assert len(cells(in_brief.words(tables_of(results(*rows), tmp_path), EXPERIMENT))) == 1 + 8


def test_the_lines_say_what_can_be_told_apart_and_how_often_was_compared(tmp_path: Path) -> None:
    text = in_brief.words(tables_of(results(FLOAT, POST_HOC, QUANTIZED), tmp_path), EXPERIMENT)
    told = line(text, "What can be told apart")
    assert "3 test users and 2 seeds" in told
    assert "(fitted after training) or " in told
    # Two codes against their float model, one of them against the other, the mean of all such pairs, and two rows
    # adjacent in the paper's order.
    assert "5 intervals of comparisons, none corrected for their number" in told


@pytest.mark.parametrize(
    ("ndcg", "counts"),
    [
        (
            [0.39, 0.51, 0.48],
            "1 of 1 rows quantized during training win against quantizing after it, 0 lose, and 0 tie",
        ),
        (
            [0.27, 0.45, 0.36],
            "0 of 1 rows quantized during training win against quantizing after it, 0 lose, and 1 tie",
        ),
    ],
)
def test_the_lines_count_the_rows_that_win_and_tie(ndcg: list[float], counts: str, tmp_path: Path) -> None:
    rows = [FLOAT, POST_HOC, row(QUANTIZED.name, ndcg, 40.0, FLOAT.name, POST_HOC.name)]
    assert counts in line(in_brief.words(tables_of(results(*rows), tmp_path), EXPERIMENT), "During training or after")


def test_the_lines_say_what_training_buys(tmp_path: Path) -> None:
    text = in_brief.words(tables_of(results(FLOAT, POST_HOC, QUANTIZED), tmp_path), EXPERIMENT)
    assert "where both are the nearest." in line(text, "Training.")


def test_the_lines_say_how_far_popularity_gets_and_what_all_users_take(tmp_path: Path) -> None:
    text = in_brief.words(tables_of(full_results(), tmp_path), EXPERIMENT)
    assert "reaches 0.1000, which is 25.0 % of the best float model (0.4000)" in line(text, "Baselines")
    assert "24 GB at 800 bytes each, 1.2 GB at 40 bytes each, 0.0302 GB at 1 bytes each" in line(text, "30,000,000")


def test_what_there_is_nothing_to_say_of_is_left_out(tmp_path: Path) -> None:
    text = in_brief.words(tables_of(results(FLOAT), tmp_path), EXPERIMENT)
    assert [of_row[1] for of_row in cells(text)[1:]] == ["`dae-200-200-200`"]
    assert "- " not in text.split("|")[-1]
