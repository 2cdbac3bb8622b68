"""Studies: what a variant changes, and what can't be studied."""

from collections.abc import Callable

import pytest

from stages.config.params import Params
from stages.config.study import FitSettings, StudySettings


def test_a_study_changes_what_it_names_and_nothing_else(params: Params) -> None:
    base, study = params.trained("rq-vae-200"), params.studies["ablation"]
    assert isinstance(study, StudySettings)
    changed = study.entries(base)["greedy encoder"]
    entry = base.model_dump(exclude_none=True)
    assert changed["bottleneck"] == entry["bottleneck"] | {"beam": 1}
    assert changed | {"bottleneck": None} == entry | {"bottleneck": None}


def test_a_study_of_fits_begins_with_its_yardstick_then_its_model(params: Params) -> None:
    variants = params.fit_variants("paper-gap", "ml-20m")
    assert [(variant.model, variant.name) for variant in variants[:3]] == [
        ("dae-200", "as it is"), ("dae-200-200-200", "as it is"), ("dae-200-200-200", "2 layers"),
    ]  # fmt: skip
    assert variants[0].recipe == params.recipe("ml-20m", "dae-200")
    assert {variant.fit for variant in variants[:3]} == {FitSettings()}


def test_a_variant_of_the_fit_has_the_training_of_the_model_as_it_is(params: Params) -> None:
    variants = {variant.name: variant for variant in params.fit_variants("paper-gap", "ml-latest-small")[1:]}
    as_it_is = variants["as it is"].recipe
    assert variants["256 vectors"].recipe == as_it_is
    assert variants["256 vectors"].fit == FitSettings(points=256)
    assert variants["5 epochs"].recipe == as_it_is._replace(epochs=5)
    assert variants["2 layers"].recipe.settings == as_it_is.settings.model_copy(update={"hidden": [200, 200]})


PLACE = "studies.paper-gap"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{ layer: linear } }", "{ layer: relu } }", f"{PLACE}.variants.before tanh.fit.layer: Input should be 'tanh'"),
        ("{ points: 256 } }", "{ points: 255 } }", f"{PLACE}.variants.256 vectors.fit.points: Input should be greater"),
        ("{ iterations: 1 } }", "{ iterations: 0 } }", f"{PLACE}.variants.1 iteration.fit.iterations: Input should be"),
        ("{ shared: true } }", "{ shard: true } }", "fit.shard: unknown key; did you mean 'shared'?"),
        ("{ epochs: 5 }", "{ epochs: 0 }", f"{PLACE}.variants.5 epochs.epochs: Input should be greater"),
        ("pq-20x10] # entries", "rq] # entries", f"{PLACE}.quantizers: 'rq' is not of kind product without rotation"),
        ("pq-20x10] # entries", "opq-20x10] # entries", f"{PLACE}.quantizers: 'opq-20x10' is not of kind product"),
        ("pq-20x10] # entries", "pq] # entries", f"{PLACE}.quantizers: 'pq' is not under quantizers"),
        ("yardstick: dae-200", "yardstick: dae", f"{PLACE}.yardstick: 'dae' is not under models"),
        ("yardstick: dae-200", "yardstick: rq-vae-200", f"{PLACE}.yardstick: is quantized in training"),
        ("[200, 200] }", "[200, 100] }", f"{PLACE}.variants.2 layers.model: 'pq-40x5': 40 chunks do not divide"),
        (
            "{ hidden: [200, 200] }",
            "{ hiden: [200] }",
            f"{PLACE}.variants.2 layers.model.hiden: unknown key; did you mean",
        ),
    ],
)
def test_what_cannot_be_studied_is_said_before_any_work(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    heading, *lines = complaint_after(old, new).splitlines()
    assert heading.endswith("has a wrong entry; nothing was run:")
    assert [line for line in lines if expected in line] == lines
