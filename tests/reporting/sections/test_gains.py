"""Quantizing during training against quantizing after it."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.reporting.sections import gains
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, cells, results, row, tables_of


@pytest.mark.parametrize(
    ("ndcg", "verdict"),
    [([0.39, 0.51, 0.48], "above"), ([0.19, 0.31, 0.28], "below"), ([0.27, 0.45, 0.36], "not significant")],
)
def test_a_gain_over_quantizing_after_training_is_sure_where_its_interval_leaves_out_0(
    ndcg: list[float], verdict: str, tmp_path: Path
) -> None:
    rows = [FLOAT, POST_HOC, row("pq-vae-200-200-40x5", ndcg, 40.0, FLOAT.name, POST_HOC.name)]
    line = cells(gains.words(tables_of(results(*rows), tmp_path), EXPERIMENT))[1]
    assert line[:3] == ["`pq-vae-200-200-40x5`", "`dae-200-200-200-pq-40x5`", "40"]
    assert line[-1] == verdict


@pytest.mark.parametrize(
    ("seeds", "said"), [([0], "One seed says nothing"), ([0, 1, 2], "3 seeds show 1/3 too little")]
)
def test_the_words_say_what_few_seeds_leave_out(seeds: list[int], said: str, tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT, POST_HOC), tmp_path)
    assert said in gains.words(tables, replace(EXPERIMENT, seeds=seeds))
