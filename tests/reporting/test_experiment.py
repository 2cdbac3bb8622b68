"""What params.yaml says of an experiment."""

import pytest
from ruamel.yaml import YAML

from stages.config.model import ModelOnDataset
from stages.config.reader import read_params
from stages.reporting.experiment import describe


def test_models_with_values_of_their_own_on_the_data_set_are_named_with_these() -> None:
    params = read_params()
    models = params.dataset("ml-20m").models
    models.clear()
    models["dae-200"] = ModelOnDataset(learning_rate=0.1, l2=0.0)
    models["dae-20"] = ModelOnDataset(epochs=3, start=0.5)
    models["dae-10"] = ModelOnDataset()
    assert describe(params, "ml-20m").recipes == {
        "dae-200": {"learning rate": 0.1, "L2": 0.0},
        "dae-20": {"epochs": 3, "start of the codebooks": 0.5},
    }


def test_the_settings_that_are_shown_are_those_that_decide_the_results() -> None:
    parameters = YAML(typ="safe").load(describe(read_params(), "ml-20m").parameters)
    assert "scale" not in parameters
    assert parameters["training"].keys() == {"precision", "cooldown", "sampled"}


@pytest.mark.parametrize(
    ("dataset", "is_made_up"), [("ml-20m-rehearsal", True), ("rehearsal-66m", True), ("ml-20m", False)]
)
def test_made_up_ratings_are_known_as_such(dataset: str, is_made_up: bool) -> None:
    assert describe(read_params(), dataset).is_made_up == is_made_up
