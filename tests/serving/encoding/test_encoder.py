"""Users are encoded from a package as the pipeline encodes them."""

import logging
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.codebooks.transform import Transform
from stages.guided.encoder import LEAST_GAIN, GuidedCodec
from stages.guided.guide import Guide
from stages.models.autoencoder import AutoEncoder
from stages.models.vae import VariationalAutoEncoder
from stages.run.errors import UserError
from stages.serving.encoding import encoder
from stages.serving.encoding.encoder import Encoder, embed, encode
from stages.serving.export.convert import items_of, layers_of, quantizer_of
from stages.serving.package.package import Package, Quantizer
from tests.conftest import NO_GPU
from tests.guided.made_up import Layer, objectives
from tests.serving.package.made_up import TRAINED, histories, made_up_package

DRAWS = np.random.default_rng(0)


def drawn_codec(kind: str, n_codebooks: int, width: int, beam: int = 1, seed: int = 0, **more: Any) -> CodebookCodec:
    """With drawn codebooks, `width` dimensions of a chunk or of a vector; residual ones shrink."""
    draws = np.random.default_rng(seed)
    codebooks = draws.normal(size=(n_codebooks, 256, width)).astype(np.float32)
    if kind == "product":
        return ProductCodec(codebooks, **more)
    return ResidualCodec(codebooks * np.float32(0.8) ** np.arange(n_codebooks)[:, None, None], beam, **more)


def drawn_vectors(n: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def check_as_near(codec: CodebookCodec, codes: np.ndarray, vectors: np.ndarray) -> None:
    """Whether the codes are the codec's, but for a few where two were as near but for rounding."""
    expected = codec.encode(vectors)
    assert codes.dtype == np.uint8
    assert codes.shape == expected.shape
    assert (codes != expected).any(1).mean() <= 0.02
    check_errors(codec, codes, expected, vectors)


def check_errors(codec: CodebookCodec, codes: np.ndarray, expected: np.ndarray, vectors: np.ndarray) -> None:
    """Whether both lose as much of all vectors: where rounding parts them early, a single one may lose more."""
    error, other = (np.square(vectors - codec.decode(some)).sum() for some in (codes, expected))
    assert abs(error - other) <= 0.01 * other + 1e-5 * np.square(vectors).sum()


def nobody(n: int) -> csr_array:
    """Histories without any of 10 items."""
    return csr_array(np.zeros((n, 10), np.float32))


def model_of(kind: str, hidden: list[int], n_items: int) -> AutoEncoder:
    if kind == "vae":
        model: AutoEncoder = VariationalAutoEncoder(n_items, hidden, 0.5, 0.2, 0.5)
    else:
        model = AutoEncoder(n_items, hidden, 0.5)
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


def package_of(model: AutoEncoder, codec: CodebookCodec) -> Package:
    n_items = len(model.input_weight)
    items = items_of(model, np.arange(n_items), None, np.zeros(n_items, np.int64))
    return Package("made-up", "0" * 64, layers_of(model), quantizer_of(codec), items)


@pytest.mark.parametrize(("kind", "hidden"), [("dae", [8]), ("dae", [16, 12, 8]), ("vae", [16, 8, 16])])
def test_histories_become_the_vectors_that_the_model_gives(
    kind: str, hidden: list[int], checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(kind, hidden, checkerboard.shape[1])
    package = package_of(model, drawn_codec("residual", 2, hidden[-1]))
    expected = model.embed(checkerboard)
    for dtype in (np.float32, np.int8):
        vectors = embed(package, checkerboard.astype(dtype))
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, expected, atol=1e-6)
    monkeypatch.setattr(encoder, "BLOCK", 100)
    np.testing.assert_allclose(embed(package, checkerboard), expected, atol=1e-6)


def test_an_empty_history_is_what_the_biases_give() -> None:
    model = model_of("dae", [6, 4], 10)
    package = package_of(model, drawn_codec("product", 2, 2))
    first, second = layers_of(model)
    np.testing.assert_allclose(
        embed(package, nobody(2)),
        np.tile(np.tanh(np.tanh(first.bias) @ second.weight + second.bias), (2, 1)),
        atol=1e-6,
    )
    assert embed(package, nobody(0)).shape == (0, 4)
    assert Encoder(package).encode(nobody(0)).shape == (0, 2)


def test_users_are_encoded_from_their_histories(checkerboard: csr_array) -> None:
    model = model_of("dae", [8], checkerboard.shape[1])
    package = package_of(model, drawn_codec("residual", 4, 8, beam=3, n_bytes=2))
    codes = Encoder(package).encode(checkerboard)
    assert codes.shape == (checkerboard.shape[0], 2)
    np.testing.assert_array_equal(codes, encode(package.quantizer, embed(package, checkerboard)))


@pytest.mark.parametrize(("chunks", "width"), [(1, 1), (4, 5), (20, 10), (2, 40)])
def test_every_chunk_takes_its_nearest_code(chunks: int, width: int) -> None:
    codec, vectors = drawn_codec("product", chunks, width), drawn_vectors(2000, chunks * width)
    check_as_near(codec, encode(quantizer_of(codec), vectors), vectors)


# A beam of 1 is greedy; the search works otherwise beyond 16 and beyond 256, as many as the first codebook has codes.
@pytest.mark.parametrize(("n_codebooks", "width"), [(1, 8), (5, 8), (20, 50), (3, 7)])
@pytest.mark.parametrize("beam", [1, 2, 5, 16, 17])
def test_residual_codes_are_those_of_the_beam_search(n_codebooks: int, width: int, beam: int) -> None:
    codec, vectors = drawn_codec("residual", n_codebooks, width, beam), drawn_vectors(500, width)
    check_as_near(codec, encode(quantizer_of(codec), vectors), vectors)


def test_a_beam_may_be_wider_than_a_codebook() -> None:
    codec, vectors = drawn_codec("residual", 3, 6, beam=300), drawn_vectors(40, 6)
    check_as_near(codec, encode(quantizer_of(codec), vectors), vectors)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_the_codebooks_codes_are_as_near_as_the_codecs(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["product", "residual"]))
    n_codebooks, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    beam, n, seed = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 150)), data.draw(st.integers(0, 2**31))
    codec = drawn_codec(kind, n_codebooks, width, beam, seed)
    vectors = drawn_vectors(n, width * n_codebooks if kind == "product" else width, seed + 1)
    check_errors(codec, encode(quantizer_of(codec), vectors), codec.encode(vectors), vectors)


@pytest.mark.parametrize("kind", ["product", "residual"])
def test_vectors_are_transformed_as_the_codec_does(kind: str) -> None:
    rotation = np.linalg.qr(DRAWS.normal(size=(10, 10)))[0][:, :8].astype(np.float32)
    transform = Transform(rotation, np.ascontiguousarray(rotation.T), DRAWS.normal(size=10).astype(np.float32))
    codec = drawn_codec(kind, 4, 2 if kind == "product" else 8, beam=3, transform=transform)
    vectors = drawn_vectors(500, 10)
    check_as_near(codec, encode(quantizer_of(codec), vectors), vectors)


def test_the_whole_code_is_searched_for_and_a_prefix_stored() -> None:
    codec, vectors = drawn_codec("residual", 6, 8, beam=4), drawn_vectors(300, 8)
    assert isinstance(codec, ResidualCodec)
    whole = encode(quantizer_of(codec), vectors)
    np.testing.assert_array_equal(encode(quantizer_of(codec.prefix(2)), vectors), whole[:, :2])


@pytest.mark.parametrize("kind", ["product", "residual"])
def test_of_codes_that_are_the_same_the_first_is_taken(kind: str) -> None:
    codec = drawn_codec(kind, 3, 8, beam=5)
    doubled = codec.codebooks.copy()
    doubled[:, 128:] = doubled[:, :128]
    quantizer = replace(quantizer_of(codec), codebooks=doubled)
    assert encode(quantizer, drawn_vectors(500, quantizer.width)).max() < 128


@pytest.mark.parametrize("kind", ["product", "residual"])
def test_a_user_has_the_same_code_in_any_company(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer = quantizer_of(drawn_codec(kind, 5, 8, beam=5))
    vectors = drawn_vectors(203, quantizer.width)
    codes = encode(quantizer, vectors)
    for start, end in [(0, 1), (1, 8), (100, 203)]:
        np.testing.assert_array_equal(encode(quantizer, vectors[start:end]), codes[start:end])
    monkeypatch.setattr(encoder, "BLOCK", 37)
    np.testing.assert_array_equal(encode(quantizer, vectors), codes)


@pytest.mark.parametrize("kind", ["product", "residual"])
def test_without_numba_faiss_encodes_and_it_is_said(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codec = drawn_codec(kind, 4, 8, beam=5)
    quantizer = quantizer_of(codec)
    vectors = drawn_vectors(300, quantizer.width)
    with_numba = encode(quantizer, vectors)
    monkeypatch.delitem(sys.modules, "stages.search.nearest", raising=False)
    monkeypatch.delitem(sys.modules, "stages.search.kernels", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with caplog.at_level(logging.WARNING):
        codes = encode(quantizer, vectors)
    assert "Numba can't be imported" in caplog.text
    np.testing.assert_array_equal(codes, codec.encode(vectors))
    assert (codes == with_numba).all(1).mean() > 0.98


GUIDES = {
    "likelihood": Guide("likelihood", 8, 0.2, 0.0),
    "scores": Guide("scores", 1, 0.2, 0.0),
    "mixture": Guide("mixture", 4, 0.3, 0.5),
}


@pytest.mark.parametrize("guide", GUIDES.values(), ids=GUIDES)
@pytest.mark.parametrize("name", TRAINED)
def test_codes_by_a_guide_are_those_of_the_pipelines_evaluation(name: str, guide: Guide) -> None:
    (model, codec), likes = TRAINED[name], histories()
    assert isinstance(codec, CodebookCodec)
    of_pipeline = GuidedCodec(codec, model.output.weight, model.output.bias, guide)
    package = made_up_package(name, guide)
    codes = Encoder(package).encode(likes)
    np.testing.assert_array_equal(codes, of_pipeline.encode_users(embed(package, likes), likes))
    # The model's own embeddings differ by rounding, which parts two codes only where one is as good as the other.
    embeddings = model.embed(likes)
    weight, bias = (part.detach().numpy() for part in (model.output.weight, model.output.bias))
    layer = Layer(weight, bias, embeddings, likes)
    ours, theirs = (
        objectives(codec.decode(found), guide, layer) for found in (codes, of_pipeline.encode_users(embeddings, likes))
    )
    np.testing.assert_allclose(ours, theirs, atol=3 * LEAST_GAIN, rtol=0)
    assert (codes != Encoder(made_up_package(name)).encode(likes)).any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_by_a_guide_a_gpu_finds_codes_as_good() -> None:
    likes, package = histories(), made_up_package("VAE, prefix by a beam", GUIDES["mixture"])
    here, there = (Encoder(package, on_gpu).encode(likes) for on_gpu in (False, True))
    assert (here == there).all(1).mean() > 0.99


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"^PyTorch finds no GPU where users are encoded; set scale\.gpus_per_worker"):
        Encoder(made_up_package("VAE, prefix by a beam", GUIDES["mixture"]), on_gpu=True)


def test_by_a_guide_nobody_has_no_codes_and_one_user_the_same_as_among_others() -> None:
    likes = histories()
    guided = Encoder(made_up_package("VAE, prefix by a beam", GUIDES["mixture"]))
    codes = guided.encode(likes)
    assert guided.encode(likes[:0]).shape == (0, 3)
    for user in (0, 3, 199):  # the last two have no items
        np.testing.assert_array_equal(guided.encode(likes[[user]]), codes[[user]])


def test_codes_by_a_guide_are_not_made_of_vectors_alone() -> None:
    package = made_up_package(guide=GUIDES["scores"])
    with pytest.raises(UserError, match=r"these codes are chosen by 'scores', which needs .* users' items"):
        encode(package.quantizer, drawn_vectors(3, 12))


def test_by_a_guide_bad_input_is_said() -> None:
    package = made_up_package(guide=GUIDES["mixture"])
    with pytest.raises(UserError, match="histories of 10 items, but the package of one layer, product knows 50"):
        Encoder(package).encode(nobody(3))
    assert package.encoder is not None
    (layer,) = package.encoder
    broken = replace(package, encoder=[replace(layer, bias=np.full_like(layer.bias, np.nan))])
    with pytest.raises(UserError, match="not finite"):
        Encoder(broken).encode(histories())


def test_bad_input_is_said(checkerboard: csr_array) -> None:
    package = package_of(model_of("dae", [8], 10), drawn_codec("residual", 2, 8))
    with pytest.raises(UserError, match=r"histories of 40 items, but the package of made-up knows 10: take"):
        Encoder(package).encode(checkerboard)
    with pytest.raises(UserError, match=r"vectors of 7 dimensions, but codes of 8"):
        encode(package.quantizer, drawn_vectors(3, 7))
    vectors = drawn_vectors(3, 8)
    for number in (np.nan, np.inf):
        vectors[1, 2] = number
        with pytest.raises(UserError, match="not finite"):
            encode(package.quantizer, vectors)
    alone = Package("elsewhere", "0" * 64, None, package.quantizer, package.items)
    with pytest.raises(UserError, match=r"elsewhere has no encoder"):
        Encoder(alone)


def test_numbers_whose_squares_overflow_harm_nothing() -> None:
    quantizer: Quantizer = quantizer_of(drawn_codec("residual", 3, 8, beam=300))
    assert encode(quantizer, np.full((50, 8), 3e38, np.float32)).shape == (50, 3)
