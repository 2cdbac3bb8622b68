"""What every codec has to do, whatever its family."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.quantizers.codebooks import CodebookCodec
from stages.quantizers.codec import Codec, Float16, Float32, History, SomeHistory, stored_bytes
from stages.quantizers.product import ProductCodec, fit_product
from stages.quantizers.residual import ResidualCodec, fit_residual
from stages.quantizers.transform import decoder_metric, fit_rotation

WIDTH = 12
VECTORS = np.random.default_rng(0).normal(size=(3000, WIDTH)).astype(np.float32)
BYTES = {
    "float32": 4 * WIDTH,
    "float16": 2 * WIDTH,
    "product-3": 3,
    "product-12": 12,
    "rotated product-3": 3,
    "residual-4": 4,
    "residual-8, first 3": 3,
    "residual-4 in the decoder's metric": 4,
}


def make(name: str) -> Codec:
    match name:
        case "float32":
            return Float32()
        case "float16":
            return Float16()
        case "rotated product-3":
            rotation = fit_rotation(VECTORS, 3, seed=0)
            return ProductCodec(fit_product(rotation.apply(VECTORS), 3, seed=0), rotation)
        case "residual-8, first 3":
            return ResidualCodec(fit_residual(VECTORS, 8, beam=1, seed=0), beam=1).prefix(3)
        case "residual-4":
            return ResidualCodec(fit_residual(VECTORS, 4, beam=5, seed=0), beam=5)
        case "residual-4 in the decoder's metric":
            draws = np.random.default_rng(1)
            metric = decoder_metric(draws.normal(size=(30, WIDTH)).astype(np.float32), np.full(30, 1 / 30, np.float32))
            return ResidualCodec(fit_residual(metric.apply(VECTORS), 4, beam=5, seed=0), 5, metric)
        case _:
            return ProductCodec(fit_product(VECTORS, int(name.removeprefix("product-")), seed=0))


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


# Not of residual codes: another sum may be as near.
@pytest.mark.parametrize("name", [name for name in BYTES if "residual" not in name], indirect=True, scope="module")
def test_encoding_a_decoded_vector_gives_the_same_codes(codec: Codec) -> None:
    codes = codec.encode(VECTORS)
    np.testing.assert_array_equal(codec.encode(codec.decode(codes)), codes)


def test_batches_are_encoded_as_the_whole(codec: Codec) -> None:
    parts = [np.asarray(codec.encode(VECTORS[start : start + 133])) for start in range(0, len(VECTORS), 133)]
    np.testing.assert_array_equal(np.concatenate(parts), codec.encode(VECTORS))


def test_a_single_vector_and_none_at_all(codec: Codec, name: str) -> None:
    assert codec.encode(VECTORS[:1]).shape == (1, BYTES[name])
    assert codec.encode(VECTORS[:0]).shape == (0, BYTES[name])
    assert codec.decode(codec.encode(VECTORS[:0])).shape == (0, WIDTH)


def test_fitting_twice_gives_the_same_codes(codec: Codec, name: str) -> None:
    np.testing.assert_array_equal(make(name).encode(VECTORS), codec.encode(VECTORS))


def test_float32_loses_nothing() -> None:
    np.testing.assert_array_equal(Float32().decode(Float32().encode(VECTORS)), VECTORS)


def test_float16_keeps_three_digits() -> None:
    np.testing.assert_allclose(Float16().decode(Float16().encode(VECTORS)), VECTORS, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in BYTES if "float" not in name], indirect=True, scope="module")
def test_a_codec_survives_the_disk(codec: Codec, tmp_path: Path) -> None:
    assert isinstance(codec, CodebookCodec)
    codec.save(tmp_path / "codec.npz")
    loaded = type(codec).load(tmp_path / "codec.npz")
    codes = codec.encode(VECTORS)
    np.testing.assert_array_equal(loaded.encode(VECTORS), codes)
    np.testing.assert_array_equal(loaded.decode(codes), codec.decode(codes))


def test_a_transform_is_undone() -> None:
    draws = np.random.default_rng(1)
    metric = decoder_metric(draws.normal(size=(30, WIDTH)).astype(np.float32), np.full(30, 1 / 30, np.float32))
    for transform in (fit_rotation(VECTORS, 3, seed=0), metric):
        np.testing.assert_allclose(transform.undo(transform.apply(VECTORS)), VECTORS, atol=1e-4)


def test_distances_in_the_decoders_metric_are_the_second_order_change_of_the_softmax_loss() -> None:
    draws = np.random.default_rng(1)
    weight, softmax = draws.normal(size=(30, WIDTH)), draws.dirichlet(np.ones(30))
    metric = decoder_metric(weight.astype(np.float32), softmax.astype(np.float32))
    change = draws.normal(size=WIDTH).astype(np.float32)
    scores = weight @ change
    variance = softmax @ np.square(scores) - np.square(softmax @ scores)  # of the scores: the softmax's curvature
    assert np.square(metric.apply(change[None])).sum() == pytest.approx(variance, rel=0.01)


def test_a_prefix_of_a_residual_code_decodes_alone() -> None:
    codec = ResidualCodec(fit_residual(VECTORS, 8, beam=5, seed=0), beam=5)
    codes = codec.encode(VECTORS)
    errors = []
    for length in range(1, 9):
        prefix = codec.prefix(length)
        np.testing.assert_array_equal(prefix.encode(VECTORS), codes[:, :length])
        np.testing.assert_array_equal(prefix.decode(codes[:, :length]), codec.decode(codes[:, :length]))
        errors.append(float(np.square(codec.decode(codes[:, :length]) - VECTORS).sum()))
    assert errors == sorted(errors, reverse=True)


def test_histories_take_four_bytes_an_item(checkerboard: csr_array) -> None:
    codes = History().encode(checkerboard)
    assert stored_bytes(codes) == 4 * checkerboard.nnz
    np.testing.assert_array_equal(History().decode(codes).toarray(), checkerboard.toarray())


@pytest.mark.parametrize(("n_items", "bytes_per_item"), [(40, 1), (300, 2), (70_000, 3)])
def test_some_history_is_as_many_items_as_fit(n_items: int, bytes_per_item: int) -> None:
    histories = np.zeros((3, n_items), dtype=np.float32)
    histories[0, [3, 7, 39, n_items - 1]] = 1
    histories[1, :30] = 1
    codec = SomeHistory(n_items, 13, seed=0)
    codes = codec.encode(csr_array(histories))
    assert codes.shape == (3, 13)
    assert codes.dtype == np.uint8
    decoded = codec.decode(codes).toarray()
    assert decoded.sum(1).tolist() == [len({3, 7, 39, n_items - 1}), 13 // bytes_per_item, 0]
    assert (decoded <= histories).all()


def test_a_users_kept_items_depend_on_no_other_user() -> None:
    histories = csr_array(np.random.default_rng(0).random((20, 300)) < 0.2)
    codec = SomeHistory(300, 10, seed=0)
    np.testing.assert_array_equal(codec.encode(histories)[3:7], codec.encode(histories[3:7]))


def test_fewer_bytes_keep_some_of_the_same_items() -> None:
    histories = csr_array(np.random.default_rng(0).random((20, 300)) < 0.2)
    codec = SomeHistory(300, 20, seed=0)
    fewer = codec.prefix(10)
    np.testing.assert_array_equal(fewer.encode(histories), codec.encode(histories)[:, :10])


def test_a_choice_of_items_survives_the_disk(tmp_path: Path) -> None:
    codec = SomeHistory(300, 20, seed=7)
    codec.save(tmp_path / "codec.npz")
    histories = csr_array(np.random.default_rng(0).random((20, 300)) < 0.2)
    loaded = SomeHistory.load(tmp_path / "codec.npz")
    np.testing.assert_array_equal(loaded.encode(histories), codec.encode(histories))
