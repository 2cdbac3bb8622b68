"""The graphs of a package compute in onnxruntime what PyTorch and faiss compute in the pipeline."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from stages.serving.export.convert import quantizer_of
from stages.serving.package.files import load_package, write_package
from tests.serving.package.made_up import ORIGIN, TRAINED, histories, items, write


def run(path: Path, **inputs: np.ndarray) -> np.ndarray:
    (output,) = onnxruntime.InferenceSession(path).run(None, inputs)
    return output


@pytest.mark.parametrize("name", TRAINED)
def test_histories_become_the_same_codes(name: str, tmp_path: Path) -> None:
    package, (model, codec) = write(tmp_path / "package", name), TRAINED[name]
    rows = histories()
    inputs = {"items": rows.indices.astype(np.int64), "offsets": rows.indptr[:-1].astype(np.int64)}
    codes = run(package / "encode.onnx", **inputs)
    expected = np.asarray(codec.encode(model.embed(rows)))
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, expected)
    assert len(np.unique(codes, axis=0)) > 15


@pytest.mark.parametrize("name", TRAINED)
def test_codes_become_the_same_scores(name: str, tmp_path: Path) -> None:
    package, (model, codec) = write(tmp_path / "package", name), TRAINED[name]
    codes = np.asarray(codec.encode(model.embed(histories())))
    scores = run(package / "score.onnx", codes=codes)
    np.testing.assert_allclose(scores, model.score(codec.decode(codes)).numpy(), atol=1e-5)


@pytest.mark.parametrize("graph", ["encode.onnx", "score.onnx"])
@pytest.mark.parametrize("name", TRAINED)
def test_the_graphs_are_right_by_onnx_itself_and_hold_no_weights(name: str, graph: str, tmp_path: Path) -> None:
    path = write(tmp_path / "package", name) / graph
    onnx.checker.check_model(path, full_check=True)
    assert all(
        sum(tensor.dims) < 100
        for tensor in onnx.load(path, load_external_data=False).graph.initializer
        if tensor.data_location == onnx.TensorProto.DEFAULT
    )


@pytest.mark.parametrize("n_users", [0, 1, 3])
def test_users_without_items_have_a_code_as_in_the_pipeline(n_users: int, tmp_path: Path) -> None:
    model, codec = TRAINED["one layer, product"]
    nobody = histories()[[3] * n_users]
    assert nobody.nnz == 0
    none, starts = np.zeros(0, np.int64), np.zeros(n_users, np.int64)
    codes = run(write(tmp_path / "package") / "encode.onnx", items=none, offsets=starts)
    np.testing.assert_array_equal(codes, codec.encode(model.embed(nobody)))


def test_without_an_encoder_vectors_become_codes(tmp_path: Path) -> None:
    model, codec = TRAINED["three layers, rotated product"]
    write_package(tmp_path, ORIGIN, None, quantizer_of(codec), items(model))
    assert load_package(tmp_path).encoder is None
    assert not (tmp_path / "encoder.safetensors").exists()
    vectors = model.embed(histories())
    np.testing.assert_array_equal(run(tmp_path / "encode.onnx", vectors=vectors), codec.encode(vectors))
