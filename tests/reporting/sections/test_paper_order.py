"""How many rows come in the paper's order."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import paper_order
from tests.reporting.made_up import EXPERIMENT, FLOAT, QUANTIZED, results, row, tables_of

ROWS = [
    row("dae-200", [0.4, 0.4, 0.4]),
    row("pq-vae-200-200-40x5", [0.1, 0.2, 0.3], 40.0),
    row("pq-vae-200-200-20x10", [0.3, 0.2, 0.3], 20.0),
]


def test_neighbours_in_the_papers_order_are_counted_with_those_that_are_significant(tmp_path: Path) -> None:
    tables = tables_of(results(*ROWS), tmp_path)
    assert paper_order.words(tables, EXPERIMENT) == (
        "Of 2 adjacent pairs in the paper's order of these rows, 1 come in that order here (1 significantly) and 1 the "
        "other way round (0 significantly)."
    )
    assert paper_order.words(tables, replace(EXPERIMENT, is_made_up=True)) == ""


def test_a_single_row_has_no_order(tmp_path: Path) -> None:
    assert paper_order.words(tables_of(results(FLOAT, QUANTIZED), tmp_path), EXPERIMENT) == ""
