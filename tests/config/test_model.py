"""Entries under references, models, studies and sweep: a wrong one is said by its path, a right one has its words."""

from collections.abc import Callable
from typing import Any

import pytest

from stages.config.model import (
    TRAINED,
    DaeSettings,
    EaseSettings,
    PopularitySettings,
    ProductBottleneckSettings,
    ResidualBottleneckSettings,
)
from stages.config.params import Params
from stages.config.quantizer import AdditiveSettings, ProductSettings, ResidualSettings

DAE: dict[str, Any] = {"kind": "dae", "hidden": [200], "dropout": 0.5, "learning_rate": 0.001, "l2": 0.01}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("learning_rate: 1.0e-3 #", "lerning_rate: 1.0e-3 #", "unknown key; did you mean 'learning_rate'?"),
        ("learning_rate: 1.0e-3 #", "lerning_rate: 1.0e-3 #", "models.vae-600-200-600.learning_rate: is missing"),
        ("dropout: 0.5 #", "dropout: 1.5 #", "models.vae-600-200-600.dropout: Input should be less than 1 (found 1.5)"),
        ("dropout: 0.5 #", "dropout: .nan #", "models.vae-600-200-600.dropout: Input should be a finite number"),
        ("hidden: [600, 200, 600]", "hidden: [600, 600]", "models.vae-600-200-600.hidden: needs an odd number"),
        ("      chunks: 40 #", "      chunks: 30 #", "models.pq-vae-200-200-40x5.bottleneck: 30 chunks do not divide"),
        ("      bytes: [20, 10, 5] #", "      bytes: [5, 10] #", "models.rq-vae-200.bottleneck.bytes: must fall"),
        (
            "    stored: [float16]",
            "    stored: [float64]",
            "models.dae-20.stored.0: Input should be 'float32' or 'float16' (found 'float64')",
        ),
        (
            "      kind: residual\n",
            "      kind: residue\n",
            "models.rq-vae-200.bottleneck.kind: 'residue' is none of 'product', 'residual'",
        ),
        (
            "    bottleneck:\n      kind: residual",
            "    stored: [float16]\n    bottleneck:\n      kind: residual",
            "models.rq-vae-200.stored: is for models without bottleneck",
        ),
        ("kind: popularity", "kind: fame", "references.popularity.kind: 'fame' is none of 'popularity', 'ease'"),
        ("    kind: popularity", "    l2: 1", "references.popularity.kind: is missing"),
        (
            "  learning_rate: [1.0e-5, 1.0e-3]",
            "  learning_rate: [1.0e-3, 1.0e-5]",
            "sweep.learning_rate: gives the low",
        ),
        (
            "      epochs: [15, 25]",
            "      epochs: [25, 15]",
            "datasets.ml-latest-small.sweep.epochs: gives the lowest value",
        ),
    ],
)
def test_a_wrong_entry_is_said_by_its_path(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint_after(old, new)


def test_numbers_are_read_as_dvc_reads_them(committed: str, read: Callable[[str], Params]) -> None:
    assert "1.0e-3" in committed
    assert read(committed.replace("1.0e-3", "1e-3")).trained("dae-200").learning_rate == 0.001


def test_floats_are_stored_in_a_row_for_each_type() -> None:
    plain, typed = TRAINED.validate_python(DAE), TRAINED.validate_python(DAE | {"stored": ["float32", "float16"]})
    assert plain.variants == [None]
    assert plain.stored(None) == "200 × float32"
    assert typed.variants == ["float32", "float16"]
    assert typed.stored("float16") == "200 × float16"
    assert typed.family == "float"


def test_a_dump_is_an_entry_again() -> None:
    entry = DAE | {"stored": ["float16"]}
    assert TRAINED.validate_python(entry).model_dump(exclude_none=True) == entry


def test_a_bottleneck_stores_its_codes(params: Params) -> None:
    product, residual = params.model("pq-vae-200-200-40x5"), params.model("rq-vae-200")
    assert product.family == residual.family == "trained"
    assert (product.variants, product.stored(None)) == ([None], "40 codes of 8 bits")
    assert (residual.variants, residual.stored(10)) == ([20, 10, 5], "10 codes of 8 bits")


def test_references_store_nothing_or_the_users_items() -> None:
    assert PopularitySettings(kind="popularity").stored() == "nothing"
    assert EaseSettings(kind="ease", l2=1.0).stored() == "items, int32"


def test_a_bottleneck_matches_the_same_scheme_fitted_after_training(params: Params) -> None:
    product, residual = params.model("opq-vae-200-40x5"), params.model("rq-vae-200")
    assert isinstance(product, DaeSettings)
    assert isinstance(product.bottleneck, ProductBottleneckSettings)
    assert product.bottleneck.matches(ProductSettings(kind="product", chunks=40, rotation=True, seed=0))
    assert not product.bottleneck.matches(ProductSettings(kind="product", chunks=40, rotation=False, seed=0))
    assert not product.bottleneck.matches(ProductSettings(kind="product", chunks=20, rotation=True, seed=0))
    assert isinstance(residual, DaeSettings)
    assert isinstance(residual.bottleneck, ResidualBottleneckSettings)
    assert residual.bottleneck.matches(ResidualSettings(kind="residual", bytes=[5], beam=1, seed=0))
    assert not residual.bottleneck.matches(AdditiveSettings(kind="additive", bytes=[5], beam=1, seed=0))
