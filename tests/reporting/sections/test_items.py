"""Rows whose item tables are quantized."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import items
from tests.reporting.made_up import EXPERIMENT, cells, full_results, tables_of


def test_items_go_from_the_most_bytes_to_the_fewest(tmp_path: Path) -> None:
    text = items.words(tables_of(full_results(), tmp_path), replace(EXPERIMENT, item_bytes={"dae-200": 1600}))
    assert "both together take 1,600 bytes per item." in text
    assert [line[:5] for line in cells(text)[1:]] == [
        ["`dae-200-200-200`", "●", "200 × float32", "800", "205 kB"],
        ["`dae-200-200-200-pq-40x5-both`", "●", "200 × float32", "119.1", "205 kB"],
    ]
