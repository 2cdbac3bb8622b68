"""Rows as they are served."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from stages.config.reader import read_params
from stages.reporting.sections import serving
from tests.reporting.made_up import EXPERIMENT, QUANTIZED, SERVED, cells, full_results, results, tables_of


def test_a_line_for_each_way_of_scoring_then_one_for_each_store(tmp_path: Path) -> None:
    text = serving.words(tables_of(full_results(), tmp_path), EXPERIMENT)
    ways, stores = text.split("The stores:")
    assert cells(ways)[1:] == [
        ["`pq-vae-200-200-40x5`", "dense", "16.0 MB", "100.000 %", "0.2600", "+0.000000"],
        ["`pq-vae-200-200-40x5`", "tables", "200.0 MB", "99.998 %", "0.2610", "+0.001000"],
    ]
    assert cells(stores)[1:] == [["`pq-vae-200-200-40x5`", "40", "56", "2.8 GB", "1"]]
    assert "(seed 0)" in ways
    assert ">" not in ways


def test_codes_that_are_not_those_that_were_measured_are_warned_of(tmp_path: Path) -> None:
    flipped = replace(SERVED, ndcg={**SERVED.ndcg, "dense": np.add(SERVED.row_ndcg, [0, 2e-6, 0])})
    text = serving.words(tables_of(results(QUANTIZED, served={QUANTIZED.name: flipped}), tmp_path), EXPERIMENT)
    assert "> **`pq-vae-200-200-40x5`: of 3 test users 1 rank otherwise" in text


def test_users_of_the_bundled_set_are_served_as_they_were_measured() -> None:
    table = pd.read_csv("reports/ml-latest-small/figures/serving.csv")
    exact = table[table["way"].isin(["dense", "tables, float32"])]
    assert set(exact["row"]) == set(read_params().serving.rows)
    assert not exact["users_that_differ"].any()
    np.testing.assert_allclose(exact["ndcg"], exact["row_ndcg"], atol=1e-6)
