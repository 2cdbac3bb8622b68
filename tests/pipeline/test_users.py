"""The stage encode stores everybody's code: that of the row's own codec."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, vstack

from stages.codecs import load_codec
from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.models.autoencoder import in_variant
from stages.models.build import load_model
from stages.serving.encoding.parts import read_codes
from stages.serving.package.files import load_package
from stages.serving.store.store import open_store
from tests.pipeline.clone import Clone

TINY = Path("data/tiny")
ROWS = ["dae-8-pq-4x2", "rq-vae-1b"]


@pytest.mark.parametrize("name", ROWS)
def test_train_users_are_stored_by_their_histories_and_held_out_users_by_their_fold_in(clone: Clone, name: str) -> None:
    params = read_params(clone.folder / "params.yaml")
    split = load_split(clone.folder / TINY / "split")
    (row,) = (row for row in params.serving_rows() if row.name == name)
    path = clone.folder / TINY / "models" / row.model / "0.pt"
    model = load_model(params.trained(row.model), len(split.items), path, torch.device("cpu"))
    fitted = clone.folder / TINY / "codecs" / row.model / name / "0.npz"
    codec = load_codec(fitted) if row.quantizer else in_variant(model.codec(), row.variant)
    histories = csr_array(vstack([split.train, split.validation.fold_in, split.test.fold_in], format="csr"))
    expected, known = np.asarray(codec.encode(model.embed(histories))), np.diff(histories.indptr) > 0
    package = load_package(clone.folder / TINY / "packages" / name)
    with open_store(clone.folder / TINY / "users" / name / "store", package.digest) as store:
        codes, has_code = store.codes(split.users)
        assert len(store) == len(split.users)
    np.testing.assert_array_equal(has_code, known)
    np.testing.assert_array_equal(codes[known], expected[known])
    parts, of = read_codes(clone.folder / TINY / "users" / name / "codes")
    assert of == package.digest
    assert parts.users.to_pylist() == split.users.tolist()
    np.testing.assert_array_equal(parts.codes, codes)


def test_a_store_that_is_read_stays_the_output_that_dvc_knows(clone: Clone) -> None:
    folder = clone.folder / TINY / "users" / ROWS[0] / "store"
    with open_store(folder) as store:
        assert len(store)
    assert [path.name for path in folder.iterdir()] == ["data.mdb"]
    assert "encode@tiny" not in json.loads(clone.run("dvc", "status", "--json"))


def test_encoding_again_gives_the_same_bytes(clone: Clone) -> None:
    folder = clone.folder / TINY / "users"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    clone.stage("encode")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_no_rows_make_no_users(clone: Clone) -> None:
    served = clone.params["serving"]
    clone.params["serving"] = {**served, "rows": []}
    clone.write_params()
    clone.stage("encode")
    assert [path.name for path in (clone.folder / TINY / "users").iterdir()] == ["digests.json"]
    clone.params["serving"] = served
    clone.write_params()
    clone.stage("encode")
