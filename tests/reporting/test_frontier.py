"""Which rows are worth their bytes."""

from typing import Any

import pandas as pd
import pytest

from stages.reporting.comparisons import compare_with_twins
from stages.reporting.frontier import BEHIND, FRONT, TIE, all_rows, frontier_table, knee_of, standings
from stages.statistics.bootstrap import Bootstrap
from tests.reporting.test_tables import row

BOOTSTRAP = Bootstrap(resamples=500, seed=0)
ROWS = [
    row("float", [0.5, 0.6, 0.7, 0.8], 800),
    row("good", [0.5, 0.6, 0.7, 0.7], 40),
    row("as good", [0.4, 0.7, 0.7, 0.6], 40),
    row("surely worse", [0.4, 0.5, 0.6, 0.6], 40),
    row("more bytes for less", [0.5, 0.6, 0.6, 0.7], 100),
    row("small", [0.1, 0.1, 0.2, 0.2], 5),
]
STANDING = standings(ROWS, BOOTSTRAP)


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
    assert STANDING[name] == standing


def test_the_table_goes_from_the_most_bytes_to_the_fewest() -> None:
    table = all_rows(ROWS, compare_with_twins(ROWS, BOOTSTRAP), STANDING)
    assert table["bytes_per_user"].tolist() == [800, 100, 40, 40, 40, 5]
    assert table["row"].tolist()[2:5] == ["good", "as good", "surely worse"]


def test_the_table_for_people_marks_the_front() -> None:
    shown = frontier_table(all_rows(ROWS, compare_with_twins(ROWS, BOOTSTRAP), STANDING))
    assert shown[""].tolist() == ["●", "", "●", "○", "", "●"]
    assert shown.iloc[0].tolist() == [
        "`float`", "●", "800", "205 kB", "0.6500", "–", "0.5000", "0.6000", "0.2000", "0.3000", "0.0%", "–", "2.50 µs",
        "0.25 µs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "knee"),
    [
        ({2: 1.0, 4: 0.3, 8: 0.2, 16: 0.1}, 4),
        ({2: 1.0, 4: 0.9, 8: 0.2, 16: 0.1}, 8),
        ({2: 1.0, 4: 0.5}, 2),
    ],
)
def test_the_knee_is_farthest_below_the_straight_line(lost: dict[int, float], knee: int) -> None:
    table: Any = pd.DataFrame({"size": list(lost), "variance_lost": list(lost.values())})
    assert knee_of(table) == knee
