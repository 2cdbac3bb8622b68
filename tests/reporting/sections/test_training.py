"""How the models were trained, and the picture of it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from stages.reporting.figures import LIGHT
from stages.reporting.sections import training
from tests.reporting.made_up import EXPERIMENT, FLOAT, results, tables_of


def test_models_that_are_trained_in_a_way_of_their_own_are_named_with_how_it_was_chosen(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    recipes: dict[str, dict[str, float]] = {"dae-200": {"learning rate": 0.005, "L2": 0.1}, "vae": {"epochs": 20}}
    text = training.words(tables, replace(EXPERIMENT, recipes=recipes))
    assert "`dae-200` (learning rate 0.005, L2 0.1); `vae` (epochs 20)" in text
    assert "`python -m stages.commands.sweep --dataset tiny --model …` searches learning rate, L2 and epochs" in text
    assert "sweep" not in training.words(tables, EXPERIMENT)


def test_float_models_are_above_those_quantized_during_training_at_most_six_each_the_best() -> None:
    models = {f"float-{number}": ("float", number) for number in range(8)} | {"rq": ("trained", 3)}
    rows = pd.DataFrame(
        [("rq-20b", "trained"), *((name, family) for name, (family, _) in models.items() if name != "rq")],
        columns=["row", "family"],
    )
    curves = pd.DataFrame(
        [(name, epoch, 9.0 - epoch, 0.1 * best) for name, (_, best) in models.items() for epoch in (1, 2)],
        columns=["row", "epoch", "loss", "validation_ndcg"],
    )
    figure = training.draw({"plots/curves": curves, "plots/frontier": rows}, LIGHT)
    names = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert names == [[], [f"float-{number}" for number in (7, 6, 5, 4, 3, 2)], [], ["rq"]]
    assert [len(axes.get_lines()) for axes in figure.axes] == [6, 6, 1, 1]
