"""How the models were trained."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import training
from tests.reporting.made_up import EXPERIMENT, FLOAT, results, tables_of


def test_models_that_are_trained_in_a_way_of_their_own_are_named_with_how_it_was_chosen(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    text = training.words(tables, replace(EXPERIMENT, recipes={"dae-200": ["learning rate", "L2"], "vae": ["epochs"]}))
    assert "`dae-200` (learning rate, L2); `vae` (epochs)" in text
    assert "chosen on the validation users by `python -m stages.commands.sweep --dataset tiny --model …`" in text
    assert "sweep" not in training.words(tables, EXPERIMENT)
