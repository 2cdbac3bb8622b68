"""Whether the rows come in the paper's order."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import paper_order
from tests.reporting.made_up import EXPERIMENT, FLOAT, QUANTIZED, results, row, tables_of


def test_the_papers_order_holds(tmp_path: Path) -> None:
    rows = [row("pq-vae-200-200-20x10", [0.1, 0.2, 0.3], size=20.0), row("dae-200", [0.4, 0.2, 0.4])]
    expected = "**The paper's order of rows holds here**: `dae-200` > `pq-vae-200-200-20x10`."
    tables = tables_of(results(*rows), tmp_path)
    assert paper_order.words(tables, EXPERIMENT) == expected
    assert paper_order.words(tables, replace(EXPERIMENT, is_made_up=True)) == ""


def test_the_papers_order_does_not_hold_and_by_how_much(tmp_path: Path) -> None:
    rows = [row("pq-vae-200-200-20x10", [0.4, 0.2, 0.4], size=20.0), row("dae-200", [0.1, 0.2, 0.3])]
    sentence = paper_order.words(tables_of(results(*rows), tmp_path), EXPERIMENT)
    assert sentence.startswith("**The paper's order of rows does not hold here.**")
    above = "- `pq-vae-200-200-20x10` is above `dae-200` by 0.1333 (95 % CI +0.0000 to +0.2683), which may be chance"
    assert above in sentence


def test_a_single_row_has_no_order(tmp_path: Path) -> None:
    assert "no order to compare" in paper_order.words(tables_of(results(FLOAT, QUANTIZED), tmp_path), EXPERIMENT)
