"""Codes that are longer for the more active."""

from pathlib import Path

from stages.reporting.sections import budgets
from tests.reporting.made_up import EXPERIMENT, cells, full_results, tables_of


def test_budgets_have_a_line_for_all_users_and_for_each_quarter_that_has_any(tmp_path: Path) -> None:
    lines = cells(budgets.words(tables_of(full_results(), tmp_path), EXPERIMENT))[1:]
    assert [line[:7] for line in lines] == [
        ["`rq-vae-10b`", "all", "3", "10", "9.58", "0.3333", "0.3833"],
        ["`rq-vae-10b`", "1, least active", "2", "10", "8.25", "0.2500", "0.2750"],
        ["`rq-vae-10b`", "4, most active", "1", "10", "12.25", "0.5000", "0.6000"],
    ]
    assert lines[2][7] == "+0.1000 (–)"  # of a single user there is nothing to draw
