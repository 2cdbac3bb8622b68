"""Packages of rows that were trained and measured compute what the pipeline computes of those rows."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from stages.codecs import load_codec
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.models.autoencoder import in_variant
from stages.models.build import load_model
from stages.serving.package.files import load_package
from tests.pipeline.clone import Clone

TINY = Path("data/tiny")
ROWS = ["pq-vae-4x2", "rq-vae-3b", "rq-vae-1b", "dae-8-pq-4x2", "dae-8-rq-3b", "dae-8-rq-1b"]


@pytest.fixture(scope="module")
def packages(clone: Clone) -> Iterator[Path]:
    """Of every row with codes, from the second training."""
    served = clone.params["serving"]
    clone.params["serving"] = {**served, "rows": ROWS, "seed": 1}
    clone.write_params()
    clone.stage("export")
    yield clone.folder / TINY / "packages"
    clone.params["serving"] = served
    clone.write_params()
    clone.stage("export")


@pytest.mark.parametrize("name", ROWS)
def test_a_package_encodes_and_scores_as_its_row(clone: Clone, packages: Path, name: str) -> None:
    params = read_params(clone.folder / "params.yaml")
    split = load_split(clone.folder / TINY / "split")
    (row,) = (row for row in params.serving_rows() if row.name == name)
    path = clone.folder / TINY / "models" / row.model / "1.pt"
    model = load_model(params.trained(row.model), len(split.items), path, torch.device("cpu"))
    fitted = clone.folder / TINY / "codecs" / row.model / name / "1.npz"
    codec = load_codec(fitted) if row.quantizer else in_variant(model.codec(), row.variant)
    histories = split.test.fold_in
    expected = np.asarray(codec.encode(model.embed(histories)))
    inputs = {"items": histories.indices.astype(np.int64), "offsets": histories.indptr[:-1].astype(np.int64)}
    (codes,) = onnxruntime.InferenceSession(packages / name / "encode.onnx").run(None, inputs)
    np.testing.assert_array_equal(codes, expected)
    (scores,) = onnxruntime.InferenceSession(packages / name / "score.onnx").run(None, {"codes": codes})
    of_row = model.score(codec.decode(expected)).numpy()
    np.testing.assert_allclose(scores, of_row, atol=1e-5)
    package = load_package(packages / name)
    vectors = package.quantizer.decode(codes)
    np.testing.assert_allclose(vectors @ package.items.weight.T + package.items.bias, of_row, atol=1e-5)
    assert package.items.ids.tolist() == split.items.tolist()
    assert package.items.interactions.tolist() == split.train.sum(axis=0).astype(int).tolist()


@pytest.mark.parametrize(("name", "group"), [("rq-vae-1b", "models/rq-vae"), ("dae-8-pq-4x2", "quantized/dae-8")])
def test_a_package_says_how_good_its_training_is(clone: Clone, packages: Path, name: str, group: str) -> None:
    manifest = json.loads((packages / name / "manifest.json").read_bytes())
    per_user = pd.read_parquet(clone.folder / TINY / "evaluation" / group / name / "per_user.parquet")
    values = per_user.loc[per_user["seed"] == 1, "ndcg@100"]
    assert manifest["ndcg"]["mean"] == pytest.approx(values.mean())
    assert manifest["ndcg"]["users"] == len(values)
    assert manifest["ndcg"]["low"] < values.mean() < manifest["ndcg"]["high"]
    assert (manifest["row"], manifest["seed"], manifest["data_set"]) == (name, 1, "Tiny")


def test_packages_of_one_data_set_and_one_recipe_say_so(packages: Path) -> None:
    manifests = {name: json.loads((packages / name / "manifest.json").read_bytes()) for name in ROWS}
    assert len({manifest["data_sha256"] for manifest in manifests.values()}) == 1
    of_recipe = {name: manifest["parameters_sha256"] for name, manifest in manifests.items()}
    assert of_recipe["rq-vae-3b"] == of_recipe["rq-vae-1b"]
    assert len(set(of_recipe.values())) == 4


def test_no_rows_are_right(clone: Clone, packages: Path) -> None:
    served = clone.params["serving"]
    clone.params["serving"] = {**served, "rows": []}
    clone.write_params()
    clone.stage("export")
    assert [path.name for path in packages.iterdir()] == ["digests.json"]
    clone.params["serving"] = served
    clone.write_params()
    clone.stage("export")
