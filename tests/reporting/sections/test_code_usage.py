"""How evenly codebooks are used."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.reporting.families import FAMILIES
from stages.reporting.figures import LIGHT
from stages.reporting.sections import code_usage
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, cells, results, tables_of


def test_code_usage_is_summed_up_over_codebooks(tmp_path: Path) -> None:
    text = code_usage.words(tables_of(results(FLOAT, QUANTIZED), tmp_path), EXPERIMENT)
    assert cells(text)[1:] == [["`pq-vae-200-200-40x5`", "2", "150.0", "100.0", "4.0", "5", "205 kB"]]
    assert "over the 1,234 train users" in text


def test_a_prefix_of_a_code_is_summed_up_but_not_drawn(tmp_path: Path) -> None:
    prefix = replace(QUANTIZED, name="prefix", code_usage=QUANTIZED.code_usage[:1])
    tables = tables_of(results(QUANTIZED, prefix), tmp_path)
    assert tables["figures/codebooks"]["row"].tolist() == [QUANTIZED.name, "prefix"]
    assert tables["plots/code_usage"]["row"].tolist() == [QUANTIZED.name] * 2


def test_a_family_is_one_line_the_mean_of_its_rows(tmp_path: Path) -> None:
    other = replace(QUANTIZED, name="other", base="other", code_usage=QUANTIZED.code_usage.assign(perplexity=50.0))
    post_hoc = replace(POST_HOC, code_usage=QUANTIZED.code_usage)
    figure = code_usage.draw(tables_of(results(FLOAT, QUANTIZED, other, post_hoc), tmp_path), LIGHT)
    trained, product = figure.axes[0].get_lines()
    assert (trained.get_color(), product.get_color()) == (FAMILIES["trained"].colour, FAMILIES["product"].colour)
    assert np.asarray(trained.get_ydata())[[0, -1]].tolist() == [75.0, 125.0]
