"""Fits of product codes that studies vary."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.assembly.varied_fit import BeforeTanh, _codebooks, before_tanh, fit_varied
from stages.codebooks.product import ProductCodec
from stages.codecs import fit as fit_as_the_stage_does
from stages.config.quantizer import ProductSettings
from stages.config.study import FitSettings
from stages.interfaces.codec import Codec
from stages.models.autoencoder import AutoEncoder
from stages.run.errors import UserError

PQ = ProductSettings(kind="product", chunks=4, rotation=False, seed=1234)
SEED = 3  # of the training


@pytest.fixture(scope="module")
def network() -> AutoEncoder:
    network = AutoEncoder(40, [8], 0.5)
    network.initialise(torch.Generator().manual_seed(0))
    return network


def parts(network: AutoEncoder, train: csr_array) -> np.ndarray:
    return network.embed_parts(train, torch.Generator().manual_seed(SEED))


def codebooks(network: AutoEncoder, train: csr_array, **varied: object) -> np.ndarray:
    codec = fit_varied(network, train, FitSettings.model_validate(varied), PQ, SEED)
    assert isinstance(codec, ProductCodec)
    return codec.codebooks


def error(codec: Codec, vectors: np.ndarray) -> float:
    return float(np.square(np.asarray(codec.decode(codec.encode(vectors))) - vectors).sum())


def test_without_changes_codebooks_are_those_of_the_stage_quantize(
    network: AutoEncoder, checkerboard: csr_array
) -> None:
    codec = fit_as_the_stage_does(PQ, parts(network, checkerboard), 40)[None]
    assert isinstance(codec, ProductCodec)
    np.testing.assert_array_equal(codebooks(network, checkerboard), codec.codebooks)


def test_256_points_are_the_codes(network: AutoEncoder, checkerboard: csr_array) -> None:
    vectors = {chunk.tobytes() for chunk in parts(network, checkerboard).reshape(-1, 2)}
    of_all, of_few = codebooks(network, checkerboard), codebooks(network, checkerboard, points=256)
    assert {code.tobytes() for code in of_few.reshape(-1, 2)} <= vectors
    assert not {code.tobytes() for code in of_all.reshape(-1, 2)} <= vectors


def test_more_points_than_vectors_are_all_vectors(network: AutoEncoder, checkerboard: csr_array) -> None:
    codec = fit_varied(network, checkerboard, FitSettings(points=10**6), PQ, SEED)
    as_it_is = fit_varied(network, checkerboard, FitSettings(), PQ, SEED)
    vectors = parts(network, checkerboard)
    assert error(codec, vectors) == pytest.approx(error(as_it_is, vectors), rel=0.1)  # other first codes


def test_fewer_iterations_leave_more_error(network: AutoEncoder, checkerboard: csr_array) -> None:
    vectors = parts(network, checkerboard)
    errors = [
        error(fit_varied(network, checkerboard, FitSettings(iterations=n), PQ, SEED), vectors) for n in (1, 5, 25)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[-1]


def test_a_shared_codebook_is_that_of_every_chunk(network: AutoEncoder, checkerboard: csr_array) -> None:
    first, *others = codebooks(network, checkerboard, shared=True)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_shared_codebook_is_fitted_on_the_chunks_of_all_vectors() -> None:
    """faiss by itself would take 256 of them per code, here 65,536 of 80,000, and leave the rest."""
    many = np.random.default_rng(2).normal(size=(40_000, 2)).astype(np.float32)
    quantizer, fit = (
        ProductSettings(kind="product", chunks=2, rotation=False, seed=0),
        FitSettings(shared=True, iterations=1),
    )
    codebooks = _codebooks(many, fit, quantizer)
    for position in range(8):
        changed = many.copy()
        changed[position] += 100
        assert not np.array_equal(_codebooks(changed, fit, quantizer), codebooks)


def test_whole_histories_are_other_vectors_than_parts(network: AutoEncoder, checkerboard: csr_array) -> None:
    whole = fit_as_the_stage_does(PQ, network.embed(checkerboard), 40)[None]
    assert isinstance(whole, ProductCodec)
    np.testing.assert_array_equal(codebooks(network, checkerboard, histories="whole"), whole.codebooks)


def test_the_layer_before_its_tanh_is_its_input() -> None:
    given = np.linspace(-6, 6, 101, dtype=np.float32)[None]
    np.testing.assert_allclose(before_tanh(np.tanh(given)), given, atol=0.01)
    assert np.isfinite(before_tanh(np.array([[-1, 1]], dtype=np.float32))).all()


def test_codes_before_the_tanh_are_of_its_input_and_decode_to_its_output(
    network: AutoEncoder, checkerboard: csr_array
) -> None:
    codec = fit_varied(network, checkerboard, FitSettings(layer="linear"), PQ, SEED)
    assert isinstance(codec, BeforeTanh)
    vectors = parts(network, checkerboard)
    of_inputs = fit_as_the_stage_does(PQ, before_tanh(vectors), 40)[None]
    assert isinstance(of_inputs, ProductCodec)
    np.testing.assert_array_equal(codec.encode(vectors), of_inputs.encode(before_tanh(vectors)))
    decoded = codec.decode(codec.encode(vectors))
    np.testing.assert_array_equal(decoded, np.tanh(of_inputs.decode(of_inputs.encode(before_tanh(vectors)))))
    assert np.abs(decoded).max() < 1


def test_too_few_users_are_said(network: AutoEncoder, checkerboard: csr_array) -> None:
    with pytest.raises(UserError, match="256 codes need at least as many vectors"):
        fit_varied(network, checkerboard[:10], FitSettings(histories="whole"), PQ, SEED)
