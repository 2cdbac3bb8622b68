"""Codes that are chosen by scores against the nearest ones."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import encoders
from tests.reporting.made_up import EXPERIMENT, FLOAT, GUIDED, QUANTIZED, cells, results, tables_of


def test_a_row_is_compared_with_the_nearest_codes_of_its_codebooks(tmp_path: Path) -> None:
    text = encoders.words(tables_of(results(FLOAT, QUANTIZED, GUIDED), tmp_path), EXPERIMENT)
    (line,) = cells(text)[1:]
    assert line[:5] == ["`pq-vae-200-200-40x5-mixture`", "`pq-vae-200-200-40x5`", "40", "0.3767", "0.3600"]
    assert line[5].startswith("+0.0167 (")
    assert line[6] == "above"
    assert "`mixture` (by scores and items)" in text


def test_a_row_without_the_nearest_codes_in_the_report_is_compared_with_none(tmp_path: Path) -> None:
    alone = replace(GUIDED, nearest_twin="a row that is not there")
    assert cells_or_none(encoders.words(tables_of(results(FLOAT, QUANTIZED, alone), tmp_path), EXPERIMENT)) is None


def cells_or_none(text: str) -> list[list[str]] | None:
    return None if "None." in text else cells(text)
