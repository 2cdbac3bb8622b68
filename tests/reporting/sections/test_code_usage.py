"""How evenly codebooks are used."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import code_usage
from tests.reporting.made_up import EXPERIMENT, FLOAT, QUANTIZED, cells, results, tables_of


def test_code_usage_is_summed_up_over_codebooks(tmp_path: Path) -> None:
    text = code_usage.words(tables_of(results(FLOAT, QUANTIZED), tmp_path), EXPERIMENT)
    assert cells(text)[1:] == [["`pq-vae-200-200-40x5`", "2", "150.0", "100.0", "4.0", "5", "205 kB"]]
    assert "over the 1,234 train users" in text


def test_a_prefix_of_a_code_is_summed_up_but_not_drawn(tmp_path: Path) -> None:
    prefix = replace(QUANTIZED, name="prefix", code_usage=QUANTIZED.code_usage[:1])
    tables = tables_of(results(QUANTIZED, prefix), tmp_path)
    assert tables["figures/codebooks"]["row"].tolist() == [QUANTIZED.name, "prefix"]
    assert tables["plots/code_usage"]["row"].tolist() == [QUANTIZED.name] * 2
