"""The paper's Table 1."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import table_1
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, cells, results, row, tables_of

ROWS = [FLOAT, POST_HOC, QUANTIZED]


def test_a_row_shows_its_bytes_its_accuracy_and_what_it_keeps(tmp_path: Path) -> None:
    popularity = replace(row("popularity", [0.1, 0.1, 0.1], 0), family="reference")
    line = cells(table_1.words(tables_of(results(popularity, *ROWS), tmp_path), EXPERIMENT))[1]
    assert line[:4] == ["`pq-vae-200-200-40x5`", "40", "2 G", "0.3600"]
    assert [cell.partition(" (")[0] for cell in line[4:]] == ["90.0 %", "86.7 %"]


def test_the_papers_value_and_the_difference_stand_beside_where_it_measured_them(tmp_path: Path) -> None:
    tables = tables_of(results(*ROWS), tmp_path)
    text = table_1.words(tables, replace(EXPERIMENT, compare_with_paper=True))
    assert cells(text)[1][-2:] == ["0.412", "-0.0520"]
    assert "does not agree with its own table" in text
    text = table_1.words(tables, EXPERIMENT)
    assert "0.412" not in text
    assert "cannot be compared" in text


def test_the_rows_are_the_papers_in_its_order(tmp_path: Path) -> None:
    tables = tables_of(results(row("ours", [0.1, 0.2, 0.3]), *ROWS), tmp_path)
    shown = [line[0] for line in cells(table_1.words(tables, EXPERIMENT))[1:]]
    assert shown == ["`pq-vae-200-200-40x5`", "`dae-200-200-200-pq-40x5`"]


def test_a_row_of_the_papers_name_but_not_its_bytes_is_not_the_papers(tmp_path: Path) -> None:
    other = row("pq-vae-200-200-40x5", [0.2, 0.5, 0.41], size=20.0)
    assert "None." in table_1.words(tables_of(results(FLOAT, other), tmp_path), EXPERIMENT)
