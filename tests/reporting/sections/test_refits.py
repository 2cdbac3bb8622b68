"""Output layers that were trained further."""

from pathlib import Path

from stages.reporting.sections import refits
from tests.reporting.made_up import EXPERIMENT, cells, full_results, tables_of


def test_refits_show_what_they_change_and_the_epochs(tmp_path: Path) -> None:
    line = cells(refits.words(tables_of(full_results(), tmp_path), EXPERIMENT))[1]
    assert line[:3] == ["`dae-200-200-200-pq-40x5`", "0.4000", "0.4667"]
    assert line[3].startswith("+0.0667 (")
    assert line[4] == "3, 0"
