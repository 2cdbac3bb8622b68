"""Rows by all metrics: the paper's, and those beside them."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import accuracy
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, cells, results, row, tables_of

ROWS = [FLOAT, POST_HOC, QUANTIZED]
BESIDE = "These rows are not in the paper's table"


def test_a_row_shows_its_bytes_its_accuracy_its_spread_and_what_it_keeps(tmp_path: Path) -> None:
    line = cells(accuracy.words(tables_of(results(*ROWS), tmp_path), EXPERIMENT))[1]
    assert line[:6] == ["`pq-vae-200-200-40x5`", "200 × float32", "40", "2 G", "0.3600 ± 0.0520", "± 0.1000"]
    assert line[6].startswith("90.0 % (")
    assert line[7:] == ["–", "0.5000", "0.6000", "0.2000", "0.3000"]


def test_a_row_without_a_twin_or_seeds_has_no_share_and_no_spread(tmp_path: Path) -> None:
    single = replace(FLOAT, name="dae-200", ndcg=FLOAT.ndcg[1:2])
    assert cells(accuracy.words(tables_of(results(single), tmp_path), EXPERIMENT))[1][5:8] == ["–", "–", "–"]


def test_the_papers_rows_come_first_and_rows_quantized_after_training_are_not_beside_them(tmp_path: Path) -> None:
    text = accuracy.words(tables_of(results(*ROWS, row("ours", [0.1, 0.2, 0.3])), tmp_path), EXPERIMENT)
    first, second = text.split(BESIDE)
    assert [line[0] for line in cells(first)[1:]] == ["`pq-vae-200-200-40x5`", "`dae-200-200-200-pq-40x5`"]
    assert [line[0] for line in cells(second)[1:]] == ["`dae-200-200-200`", "`ours`"]


def test_a_latent_has_its_size(tmp_path: Path) -> None:
    tables = tables_of(results(*ROWS), tmp_path)
    text = accuracy.words(tables, replace(EXPERIMENT, latent_bytes={"vae": 800}))
    assert (
        "`vae` stores its last hidden layer, as the paper counts it. Its latent would take 800 bytes per user" in text
    )
