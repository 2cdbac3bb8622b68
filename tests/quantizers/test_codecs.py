"""What every codec has to do, whatever its family."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.quantizers.codec import Codec, Float32, History, stored_bytes
from stages.quantizers.product import ProductCodec, fit_codebooks

WIDTH = 12
VECTORS = np.random.default_rng(0).normal(size=(500, WIDTH)).astype(np.float32)
BYTES = {"float32": 4 * WIDTH, "product-3": 3, "product-12": 12}


def make(name: str) -> Codec:
    if name == "float32":
        return Float32()
    return ProductCodec(fit_codebooks(VECTORS, int(name.removeprefix("product-")), seed=0))


@pytest.fixture(params=BYTES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def codec(name: str) -> Codec:
    return make(name)


def test_is_a_codec(codec: Codec) -> None:
    assert isinstance(codec, Codec)


def test_codes_are_bytes_as_many_as_promised(codec: Codec, name: str) -> None:
    codes = codec.encode(VECTORS)
    assert codes.dtype == np.uint8
    assert codes.shape == (len(VECTORS), BYTES[name])
    assert stored_bytes(codes) == len(VECTORS) * BYTES[name]


def test_decoding_gives_back_shape_and_dtype(codec: Codec) -> None:
    decoded = codec.decode(codec.encode(VECTORS))
    assert decoded.shape == VECTORS.shape
    assert decoded.dtype == np.float32


def test_decoded_vectors_are_closer_than_the_mean(codec: Codec) -> None:
    error = np.square(codec.decode(codec.encode(VECTORS)) - VECTORS).sum()
    assert error < 0.5 * np.square(VECTORS - VECTORS.mean(0)).sum()


def test_encoding_a_decoded_vector_gives_the_same_codes(codec: Codec) -> None:
    codes = codec.encode(VECTORS)
    np.testing.assert_array_equal(codec.encode(codec.decode(codes)), codes)


def test_batches_are_encoded_as_the_whole(codec: Codec) -> None:
    parts = [np.asarray(codec.encode(VECTORS[start : start + 33])) for start in range(0, len(VECTORS), 33)]
    np.testing.assert_array_equal(np.concatenate(parts), codec.encode(VECTORS))


def test_a_single_vector_and_none_at_all(codec: Codec, name: str) -> None:
    assert codec.encode(VECTORS[:1]).shape == (1, BYTES[name])
    assert codec.encode(VECTORS[:0]).shape == (0, BYTES[name])
    assert codec.decode(codec.encode(VECTORS[:0])).shape == (0, WIDTH)


def test_fitting_twice_gives_the_same_codes(codec: Codec, name: str) -> None:
    np.testing.assert_array_equal(make(name).encode(VECTORS), codec.encode(VECTORS))


def test_float32_loses_nothing() -> None:
    np.testing.assert_array_equal(Float32().decode(Float32().encode(VECTORS)), VECTORS)


def test_a_product_codec_survives_the_disk(tmp_path: Path) -> None:
    codec = ProductCodec(fit_codebooks(VECTORS, 3, seed=0))
    codec.save(tmp_path / "codec.npz")
    loaded = ProductCodec.load(tmp_path / "codec.npz")
    np.testing.assert_array_equal(loaded.codebooks, codec.codebooks)
    np.testing.assert_array_equal(loaded.encode(VECTORS), codec.encode(VECTORS))


def test_histories_take_four_bytes_an_item(checkerboard: csr_array) -> None:
    codes = History().encode(checkerboard)
    assert stored_bytes(codes) == 4 * checkerboard.nnz
    np.testing.assert_array_equal(History().decode(codes).toarray(), checkerboard.toarray())
