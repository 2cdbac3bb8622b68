"""Which rows are worth their bytes."""

from dataclasses import replace

import numpy as np
import pytest

from stages.reporting.frontier import BEHIND, FRONT, TIE, by_bytes, frontier_table, standings
from tests.reporting.made_up import BOOTSTRAP, FLOAT, METRICS, QUANTIZED, row

ROWS = [
    row("float", [0.5, 0.6, 0.7, 0.8], 800),
    row("good", [0.5, 0.6, 0.7, 0.7], 40),
    row("as good", [0.4, 0.7, 0.7, 0.6], 40),
    row("surely worse", [0.4, 0.5, 0.6, 0.6], 40),
    row("more bytes for less", [0.5, 0.6, 0.6, 0.7], 100),
    row("small", [0.1, 0.1, 0.2, 0.2], 5),
]


@pytest.mark.parametrize(
    ("name", "standing"),
    [
        ("float", FRONT),
        ("good", FRONT),
        ("small", FRONT),
        ("as good", TIE),
        ("surely worse", BEHIND),
        ("more bytes for less", BEHIND),
    ],
)
def test_where_a_row_stands(name: str, standing: str) -> None:
    assert standings(ROWS, BOOTSTRAP)[name] == standing


def test_a_row_that_stores_nothing_stands_nowhere() -> None:
    table = frontier_table([row("nothing", [0.9, 0.9], 0), row("codes", [0.5, 0.6], 5)], METRICS, BOOTSTRAP)
    assert table["standing"].tolist() == [BEHIND, FRONT]


def test_where_nothing_is_sure_as_with_one_user_a_row_of_as_many_bytes_ties() -> None:
    rows = [row("good", [0.9], 40), row("worse", [0.1], 40), row("more bytes for less", [0.1], 80)]
    assert standings(rows, BOOTSTRAP) == {"good": FRONT, "worse": TIE, "more bytes for less": BEHIND}


def test_what_takes_two_users_is_not_known_of_one() -> None:
    table = frontier_table([row("twin", [0.5]), row("codes", [0.4], 40, "twin")], METRICS, BOOTSTRAP).iloc[1]
    assert table[["difference", "kept", "seed_spread"]].round(9).tolist() == [-0.1, 0.8, 0.1]
    assert table[["standard_error", "difference_low", "difference_high", "kept_low", "kept_high"]].isna().all()


def test_a_twin_without_a_hit_leaves_no_share() -> None:
    twin, codes = (replace(row(name, [0.0] * 3), ndcg=np.zeros((3, 3))) for name in ("twin", "codes"))
    table = frontier_table([twin, replace(codes, float_twin="twin")], METRICS, BOOTSTRAP).iloc[1]
    assert table[["difference", "difference_low", "difference_high"]].tolist() == [0, 0, 0]
    assert table[["kept", "kept_low", "kept_high", "above_popularity"]].isna().all()


def test_the_table_keeps_the_order_of_the_rows_and_has_a_column_per_metric() -> None:
    table = frontier_table(ROWS, METRICS, BOOTSTRAP)
    assert table["row"].tolist() == [result.name for result in ROWS]
    assert table[list(METRICS)].iloc[0].round(9).tolist() == [0.65, 0.5, 0.6, 0.2, 0.3]
    assert table["users"].tolist() == [4] * 6
    assert table["seed_spread"].round(9).tolist() == [0.1] * 6


def test_what_a_row_keeps_is_known_where_its_twin_is_there() -> None:
    table = frontier_table([FLOAT, QUANTIZED], METRICS, BOOTSTRAP)
    assert table["float_twin"].tolist() == ["", FLOAT.name]
    assert table["kept"].isna().tolist() == [True, False]
    assert table["kept"].iloc[1] == pytest.approx(0.9)
    assert frontier_table([QUANTIZED], METRICS, BOOTSTRAP)["float_twin"].tolist() == [""]


def test_by_bytes_goes_from_the_most_to_the_fewest() -> None:
    table = by_bytes(frontier_table(ROWS, METRICS, BOOTSTRAP))
    assert table["bytes_per_user"].tolist() == [800, 100, 40, 40, 40, 5]
    assert table["row"].tolist()[2:5] == ["good", "as good", "surely worse"]


def test_no_rows_give_a_table_with_the_same_columns() -> None:
    assert frontier_table([], METRICS, BOOTSTRAP).columns.tolist() == (
        frontier_table(ROWS, METRICS, BOOTSTRAP).columns.tolist()
    )


def test_against_the_twin_there_is_a_difference_and_a_share_of_what_popularity_leaves() -> None:
    table = frontier_table([row("popularity", [0.1, 0.1, 0.1], 0), FLOAT, QUANTIZED], METRICS, BOOTSTRAP)
    quantized = table.iloc[2]
    assert quantized[["difference", "kept", "above_popularity"]].tolist() == pytest.approx([-0.04, 0.9, 0.26 / 0.3])
    assert quantized["difference_low"] < -0.04 < quantized["difference_high"] < 0
    assert table[["difference", "above_popularity"]].iloc[:2].isna().all(axis=None)
    assert frontier_table([FLOAT, QUANTIZED], METRICS, BOOTSTRAP)["above_popularity"].isna().all()


def test_a_longer_code_that_ranks_everybody_alike_repeats_the_shorter_one() -> None:
    long, short = row("rq-20b", [0.5, 0.6], 20), row("rq-5b", [0.5, 0.6], 5)
    same = [replace(result, base="rq") for result in (long, short)]
    assert frontier_table(same, METRICS, BOOTSTRAP)["repeats"].tolist() == ["rq-5b", ""]
    assert frontier_table([long, short], METRICS, BOOTSTRAP)["repeats"].tolist() == ["", ""]
