"""The few numbers that a person compares."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stages.reporting.headline import best_float, best_within, headline, outcomes, resolvable
from stages.reporting.results import RowResult
from tests.reporting.made_up import FLOAT, full_results, results, row, tables_of


def chosen_by(result: RowResult, validation_ndcg: float | None) -> RowResult:
    return replace(result, validation_ndcg=validation_ndcg)


def frontier_of(rows: list[RowResult], folder: Path) -> pd.DataFrame:
    return tables_of(results(*rows), folder)["plots/frontier"]


def test_the_headline_has_at_most_twelve_numbers_under_readable_keys(tmp_path: Path) -> None:
    tables = tables_of(full_results(), tmp_path)
    numbers = headline(tables["plots/frontier"], tables["figures/gains"], digits=3)
    assert list(numbers) == ["ndcg@100", "resolvable_difference", "during_against_after_training"]
    assert list(numbers["ndcg@100"]) == [
        "popularity", "ease", "float", "at_most_40_bytes", "at_most_20_bytes", "at_most_10_bytes", "at_most_5_bytes",
    ]  # fmt: skip
    assert numbers["ndcg@100"]["ease"] == 0.5
    assert sum(map(len, numbers.values())) <= 12


def test_the_headline_leaves_out_what_is_not_there(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    assert headline(tables["plots/frontier"], tables["figures/gains"], digits=3) == {"ndcg@100": {"float": 0.4}}


def test_the_best_row_is_chosen_on_the_validation_users(tmp_path: Path) -> None:
    rows = [
        chosen_by(row("by test", [0.9, 0.9], 40), 0.1),
        chosen_by(row("by validation", [0.1, 0.1], 20), 0.2),
        chosen_by(row("too large", [0.1, 0.1], 800), 0.3),
    ]
    assert best_within(frontier_of(rows, tmp_path)) == {40: "by validation", 20: "by validation"}
    assert best_float(frontier_of(rows, tmp_path)) == "too large"


def test_of_rows_that_are_equal_on_the_validation_users_the_smallest_is_chosen(tmp_path: Path) -> None:
    rows = [chosen_by(row(f"{size} bytes", [0.5, 0.5], size), 0.2) for size in (40, 10, 20)]
    assert best_within(frontier_of(rows, tmp_path))[40] == "10 bytes"


def test_neither_a_reference_nor_a_row_without_validation_is_chosen(tmp_path: Path) -> None:
    rows = [
        replace(chosen_by(row("ease", [0.9, 0.9], 30), 0.9), family="reference"),
        chosen_by(row("unknown", [0.9, 0.9], 40), None),
        chosen_by(row("codes", [0.1, 0.1], 40), 0.1),
    ]
    assert best_within(frontier_of(rows, tmp_path)) == {40: "codes"}


def test_what_is_resolvable_is_half_an_interval_of_codes_of_few_bytes() -> None:
    table = pd.DataFrame(
        [
            ("product", 40, -0.02, 0.04), ("product", 20, 0.00, 0.02), ("scalar", 1, 0.00, 0.04),
            ("scalar", 400, -1.0, 1.0), ("trained", 40, -0.10, 0.10), ("float", 40, None, None),
        ],
        columns=["family", "bytes_per_user", "difference_low", "difference_high"],
    )  # fmt: skip
    assert resolvable(table) == pytest.approx({"after_training": 0.02, "during_training": 0.1})
    assert resolvable(table.assign(difference_low=0.0, difference_high=0.0)) == {}


def test_a_row_wins_or_loses_where_its_interval_leaves_out_0() -> None:
    assert outcomes(pd.DataFrame({"low": [0.1, -0.1, -0.2, 0.0], "high": [0.2, 0.1, -0.1, 0.0]})) == {
        "wins": 1, "ties": 2, "losses": 1,
    }  # fmt: skip


def test_nothing_wins_loses_or_ties_where_no_interval_is_known(tmp_path: Path) -> None:
    gains = pd.DataFrame({"low": [float("nan")], "high": [float("nan")]})
    assert outcomes(gains) == {"wins": 0, "ties": 0, "losses": 0}
    assert list(headline(frontier_of([row("dae", [0.5])], tmp_path), gains, 5)) == ["ndcg@100"]
