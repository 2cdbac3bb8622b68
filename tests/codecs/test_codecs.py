"""What every codec has to do, whatever its family."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.codebooks.fitted import FittedCodec
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import decoder_metric, fit_rotation
from stages.codecs import load_codec
from stages.codecs.additive import AdditiveCodec, fit_additive
from stages.codecs.history import SubsampledHistory
from stages.codecs.kmeans import fit_kmeans
from stages.codecs.principal import fit_principal
from stages.codecs.scalar import fit_scalar, fit_signs
from stages.codecs.tree import fit_tree
from stages.evaluation.cost import variance_lost
from stages.interfaces.codec import Codec, Float16, Float32, WholeHistory, stored_bytes
from stages.run.errors import UserError
from tests.damage import sealed

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
    "additive-4": 4,
    "kmeans-256": 1,
    "kmeans-257": 2,
    "tree-16-2": 1,
    "tree-8-3": 2,
    "scalar-float16": 2 * WIDTH,
    "scalar-bfloat16": 2 * WIDTH,
    "scalar-8bit": WIDTH,
    "scalar-6bit": 9,
    "scalar-4bit": WIDTH // 2,
    "signs": 2,
    "principal-8": 8,
}


@cache
def made(name: str) -> Codec:
    return make(name)


def make(name: str) -> Codec:
    family, *numbers = name.split("-")
    match name:
        case "float32":
            return Float32()
        case "float16":
            return Float16()
        case "rotated product-3":
            rotation = fit_rotation(VECTORS, 3, seed=0)
            return ProductCodec(fit_product(rotation.apply(VECTORS), 3, seed=0), rotation)
        case "residual-8, first 3":
            return ResidualCodec(fit_residual(VECTORS, 8, seed=0), beam=1).prefix(3)
        case "residual-4":
            return ResidualCodec(fit_residual(VECTORS, 4, seed=0), beam=5)
        case "residual-4 in the decoder's metric":
            draws = np.random.default_rng(1)
            metric = decoder_metric(draws.normal(size=(30, WIDTH)).astype(np.float32), np.full(30, 1 / 30, np.float32))
            return ResidualCodec(fit_residual(metric.apply(VECTORS), 4, seed=0), 5, metric)
        case "signs":
            return fit_signs(VECTORS)
    match family:
        case "additive":
            return fit_additive(VECTORS, int(numbers[0]), beam=5, seed=0)
        case "kmeans":
            return fit_kmeans(VECTORS, int(numbers[0]), seed=0)
        case "tree":
            return fit_tree(VECTORS, int(numbers[0]), int(numbers[1]), seed=0)
        case "scalar":
            return fit_scalar(VECTORS, numbers[0])
        case "principal":
            return fit_scalar(VECTORS, "8bit", fit_principal(VECTORS, int(numbers[0])))
        case _:
            return ProductCodec(fit_product(VECTORS, int(numbers[0]), seed=0))


def lost(codec: Codec) -> float:
    share = variance_lost(VECTORS, np.asarray(codec.decode(codec.encode(VECTORS))))
    assert share is not None
    return share


@pytest.fixture(params=BYTES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def codec(name: str) -> Codec:
    return made(name)


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
    assert lost(codec) < 0.75


# Not of sums: another may be as near. Nor of a tree, whose leaves may be nearer to another branch.
@pytest.mark.parametrize(
    "name",
    [name for name in BYTES if not any(family in name for family in ("residual", "additive", "tree"))],
    indirect=True,
    scope="module",
)
def test_encoding_a_decoded_vector_gives_the_same_codes(codec: Codec) -> None:
    codes = codec.encode(VECTORS)
    np.testing.assert_array_equal(codec.encode(codec.decode(codes)), codes)


def test_zeros_are_vectors_as_any(codec: Codec, name: str) -> None:
    zeros = np.zeros((2, WIDTH), dtype=np.float32)
    codes = codec.encode(zeros)
    assert codes.shape == (2, BYTES[name])
    assert np.isfinite(np.asarray(codec.decode(codes))).all()


def test_what_is_promised_is_what_is_measured(codec: Codec, name: str) -> None:
    if isinstance(codec, FittedCodec):
        assert codec.bytes_per_vector == BYTES[name]


def test_batches_are_encoded_as_the_whole(codec: Codec) -> None:
    batches = [np.asarray(codec.encode(VECTORS[start : start + 133])) for start in range(0, len(VECTORS), 133)]
    np.testing.assert_array_equal(np.concatenate(batches), codec.encode(VECTORS))


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


@pytest.mark.parametrize(
    "name", [name for name in BYTES if name not in ("float32", "float16")], indirect=True, scope="module"
)
def test_a_codec_survives_the_disk(codec: Codec, tmp_path: Path) -> None:
    assert isinstance(codec, FittedCodec)
    codec.save(tmp_path / "codec.npz")
    loaded = load_codec(sealed(tmp_path / "codec.npz"))
    codes = codec.encode(VECTORS)
    np.testing.assert_array_equal(loaded.encode(VECTORS), codes)
    np.testing.assert_array_equal(loaded.decode(codes), codec.decode(codes))
    assert loaded.shared_bytes == codec.shared_bytes


@pytest.mark.parametrize(
    "family",
    [
        ["scalar-float16", "scalar-8bit", "scalar-6bit", "scalar-4bit", "signs"],
        ["product-12", "product-3"],
        ["principal-12", "principal-8", "principal-4"],
        ["additive-4", "additive-2"],
        ["kmeans-1024", "kmeans-256", "kmeans-16"],
        ["tree-8-3", "tree-8-2", "tree-8-1"],
    ],
    ids=lambda family: family[0].split("-")[0],
)
def test_fewer_bits_lose_more(family: list[str]) -> None:
    shares = [lost(made(name)) for name in family]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


FITS = {
    "product": lambda vectors: fit_product(vectors, 3, seed=0),
    "rotation": lambda vectors: fit_rotation(vectors, 3, seed=0),
    "residual": lambda vectors: fit_residual(vectors, 2, seed=0),
    "additive": lambda vectors: fit_additive(vectors, 2, beam=1, seed=0),
    "kmeans": lambda vectors: fit_kmeans(vectors, 256, seed=0),
    "tree": lambda vectors: fit_tree(vectors, 16, 2, seed=0),
    "scalar": lambda vectors: fit_scalar(vectors, "8bit"),
    "signs": fit_signs,
    "principal": lambda vectors: fit_principal(vectors, 4),
}


@pytest.mark.parametrize("fit", FITS)
def test_vectors_that_are_no_numbers_are_said(fit: str) -> None:
    with pytest.raises(UserError, match="NaN or infinite"):
        FITS[fit](np.where(VECTORS > 3, np.nan, VECTORS))


@pytest.mark.parametrize("fit", FITS)
def test_a_constant_table_is_said(fit: str) -> None:
    with pytest.raises(UserError, match="all vectors are the same"):
        FITS[fit](np.ones((300, WIDTH), dtype=np.float32))


@pytest.mark.parametrize("fit", FITS)
def test_an_empty_table_is_said(fit: str) -> None:
    with pytest.raises(UserError, match="no vectors"):
        FITS[fit](VECTORS[:0])


@pytest.mark.parametrize("fit", ["product", "rotation", "residual", "additive", "kmeans", "tree"])
def test_fewer_vectors_than_codes_is_said(fit: str) -> None:
    with pytest.raises(UserError, match="256 codes need at least as many vectors, and there are 255"):
        FITS[fit](VECTORS[:255])


def test_kmeans_stops_when_an_iteration_gains_little() -> None:
    errors = np.array(fit_kmeans(VECTORS, 16, seed=0).fit_errors)
    gains = 1 - errors[1:] / errors[:-1]
    assert (gains[:-1] > 1e-4).all()
    assert len(errors) < 100


def test_a_tree_compares_with_the_branches_on_the_way_alone() -> None:
    codec = fit_tree(VECTORS, 4, 2, seed=0)
    first = np.square(VECTORS[:, None] - codec.inner[None]).sum(2).argmin(1)
    second = np.square(VECTORS[:, None] - codec.leaves.reshape(4, 4, WIDTH)[first]).sum(2).argmin(1)
    np.testing.assert_array_equal(codec.encode(VECTORS)[:, 0], 4 * first + second)


def test_a_node_with_few_vectors_has_them_as_its_branches() -> None:
    few = VECTORS[:20]
    codec = fit_tree(few, 4, 2, seed=0)
    np.testing.assert_array_equal(codec.decode(codec.encode(few)).shape, few.shape)
    assert np.isfinite(codec.leaves).all()


def test_additive_codes_are_no_worse_than_the_beam_search_that_they_start_with() -> None:
    codec = made("additive-4")
    assert isinstance(codec, AdditiveCodec)
    assert lost(codec) <= lost(ResidualCodec(codec.codebooks, beam=5))


def test_signs_of_a_constant_dimension() -> None:
    vectors = VECTORS.copy()
    vectors[:, 0] = 2.0
    np.testing.assert_allclose(fit_signs(vectors).decode(fit_signs(vectors).encode(vectors))[:, 0], 2.0)


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
    codec = ResidualCodec(fit_residual(VECTORS, 8, seed=0), beam=5)
    codes = codec.encode(VECTORS)
    errors = []
    for length in range(1, 9):
        prefix = codec.prefix(length)
        np.testing.assert_array_equal(prefix.encode(VECTORS), codes[:, :length])
        np.testing.assert_array_equal(prefix.decode(codes[:, :length]), codec.decode(codes[:, :length]))
        errors.append(float(np.square(codec.decode(codes[:, :length]) - VECTORS).sum()))
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("name", BYTES, indirect=True, scope="module")
def test_a_codec_that_offers_prefixes_encodes_and_decodes_by_each(codec: Codec, name: str) -> None:
    if hasattr(codec, "prefix"):
        for length in range(1, BYTES[name] + 1):
            prefix = codec.prefix(length)
            np.testing.assert_array_equal(prefix.encode(VECTORS), codec.encode(VECTORS)[:, :length])
            assert prefix.decode(prefix.encode(VECTORS)).shape == VECTORS.shape


def test_additive_codes_have_no_prefixes_as_their_codebooks_are_fitted_together() -> None:
    assert not hasattr(made("additive-2"), "prefix")


def test_a_file_without_a_codec_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*codec\.npz; run the stage quantize first"):
        load_codec(tmp_path / "codec.npz")


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_a_damaged_codec_is_said(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "codec.npz"
    fit_kmeans(VECTORS, 16, seed=0).save(path)
    content = sealed(path).read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "other": b"no archive at all"}[damage])
    with pytest.raises(UserError, match="is not as the stage quantize wrote it; remove it and run the stage quantize"):
        load_codec(path)
    with pytest.raises(UserError, match="is no codec; remove it and run the stage quantize again"):
        load_codec(sealed(path))


def saved(folder: Path, name: str) -> tuple[Path, dict[str, np.ndarray]]:
    """The file of a codec, and the arrays that it holds."""
    path, codec = folder / "codec.npz", made(name)
    assert isinstance(codec, FittedCodec)
    codec.save(path)
    with np.load(path) as archive:
        return path, dict(archive)


@pytest.mark.parametrize("name", ["product-3", "kmeans-256", "scalar-8bit", "principal-8"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_codec_of_numbers_that_are_not_finite_is_said(tmp_path: Path, name: str, number: float) -> None:
    path, arrays = saved(tmp_path, name)
    largest = max((key for key in arrays if arrays[key].dtype == np.float32), key=lambda key: arrays[key].size)
    arrays[largest].flat[-1] = number
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(UserError, match=r"codec\.npz holds numbers that are not finite; remove it"):
        load_codec(sealed(path))


FLAWS = {
    "flattened": lambda array: array.reshape(-1)[:-1],
    "text": lambda array: np.full(array.shape, "x"),
    "whole numbers": lambda array: np.full(array.shape, 100),
    "lost": lambda _: None,
}


@pytest.mark.parametrize("name", [name for name in BYTES if name not in ("float32", "float16")])
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_codec_of_another_structure_is_said(tmp_path: Path, name: str, flaw: str) -> None:
    path, arrays = saved(tmp_path, name)
    could_be_so = {"lost": {"n_bytes", "transform.mean"}, "flattened": {"errors"}, "whole numbers": {"beam", "width"}}
    for key in arrays.keys() - could_be_so.get(flaw, set()) - {"codec"}:
        if flaw == "flattened" and not arrays[key].size:
            continue
        flawed = FLAWS[flaw](arrays[key])
        np.savez(path, allow_pickle=False, **{**arrays, key: flawed} if flawed is not None else without(arrays, key))
        with pytest.raises(UserError, match=r"codec\.npz (is damaged|holds) .* run the stage quantize again"):
            load_codec(sealed(path))


def without(arrays: dict[str, np.ndarray], key: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if name != key}


@pytest.mark.parametrize("name", [name for name in BYTES if name not in ("float32", "float16")])
@pytest.mark.parametrize("width", [WIDTH - 3, WIDTH + 12])
def test_vectors_of_another_model_are_said(name: str, width: int) -> None:
    with pytest.raises(UserError, match=rf"of 12 dimensions can't store vectors of {width}: it belongs to another mod"):
        made(name).encode(np.zeros((5, width), dtype=np.float32))


def test_histories_of_another_model_are_said(checkerboard: csr_array) -> None:
    with pytest.raises(
        UserError, match="a SubsampledHistory of 41 dimensions can't store vectors of 40: it belongs to"
    ):
        SubsampledHistory(41, 13, seed=0).encode(checkerboard)


def test_a_codec_that_this_code_does_not_know_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "codec.npz"
    np.savez(path, codec="SignalCodec", levels=np.zeros(3))
    with pytest.raises(UserError, match="holds a SignalCodec of levels, which this code does not know"):
        load_codec(sealed(path))


def test_a_codec_of_other_arguments_than_its_class_takes_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "codec.npz"
    np.savez(path, codec="KMeansCodec", centres=np.zeros((3, 2)))
    with pytest.raises(UserError, match="holds a KMeansCodec of centres, which this code does not know"):
        load_codec(sealed(path))


def test_a_bug_in_a_codec_is_no_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = fit_kmeans(VECTORS, 16, seed=0)
    codec.save(tmp_path / "codec.npz")

    def bug(*_: object, **__: object) -> None:
        raise TypeError("a bug")

    monkeypatch.setattr("stages.codecs.kmeans.np.ascontiguousarray", bug)
    with pytest.raises(TypeError, match="a bug"):
        load_codec(sealed(tmp_path / "codec.npz"))


def test_histories_take_four_bytes_an_item(checkerboard: csr_array) -> None:
    codes = WholeHistory().encode(checkerboard)
    assert stored_bytes(codes) == 4 * checkerboard.nnz
    np.testing.assert_array_equal(WholeHistory().decode(codes).toarray(), checkerboard.toarray())


@pytest.mark.parametrize(("n_items", "bytes_per_item"), [(40, 1), (300, 2), (70_000, 3)])
def test_a_subsampled_history_is_as_many_items_as_fit(n_items: int, bytes_per_item: int) -> None:
    histories = np.zeros((3, n_items), dtype=np.float32)
    histories[0, [3, 7, 39, n_items - 1]] = 1
    histories[1, :30] = 1
    codec = SubsampledHistory(n_items, 13, seed=0)
    codes = codec.encode(csr_array(histories))
    assert codes.shape == (3, 13)
    assert codes.dtype == np.uint8
    decoded = codec.decode(codes).toarray()
    assert decoded.sum(1).tolist() == [len({3, 7, 39, n_items - 1}), 13 // bytes_per_item, 0]
    assert (decoded <= histories).all()


def test_a_users_stored_items_depend_on_no_other_user() -> None:
    histories = csr_array(np.random.default_rng(0).random((20, 300)) < 0.2)
    codec = SubsampledHistory(300, 10, seed=0)
    np.testing.assert_array_equal(codec.encode(histories)[3:7], codec.encode(histories[3:7]))


def test_a_choice_of_items_survives_the_disk(tmp_path: Path) -> None:
    codec = SubsampledHistory(300, 20, seed=7)
    codec.save(tmp_path / "codec.npz")
    histories = csr_array(np.random.default_rng(0).random((20, 300)) < 0.2)
    loaded = load_codec(sealed(tmp_path / "codec.npz"))
    np.testing.assert_array_equal(loaded.encode(histories), codec.encode(histories))
