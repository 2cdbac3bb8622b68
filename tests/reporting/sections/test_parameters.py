"""Seeds and settings."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import parameters
from tests.reporting.made_up import EXPERIMENT, FLOAT, results, tables_of


def test_the_seeds_are_named(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    assert "Seeds: split 7; trainings 0, 1." in parameters.words(tables, EXPERIMENT)
    text = parameters.words(tables, replace(EXPERIMENT, quantizer_seeds={"pq": 1234, "rq": 5}))
    assert "Seeds: split 7; trainings 0, 1; `pq` 1234, `rq` 5." in text
