"""Conformance of guided encoders: whatever the codec and the guide, no code is worse than the nearest."""

import logging
import sys

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.guided import encoder, objective
from stages.guided.encoder import GuidedCodec
from stages.guided.guide import Guide
from stages.interfaces.codec import ByHistory, Codec, encode_users
from stages.run.errors import UserError
from tests.guided.made_up import (
    CODECS,
    GUIDES,
    LAYER,
    N_ITEMS,
    N_USERS,
    VECTORS,
    WIDTH,
    Layer,
    codec_of,
    guided,
    histories,
    objectives,
)

ROUNDING = 1e-3
"""Of an objective of up to a hundred, computed in float32."""
EMPTY = csr_array(np.zeros((N_USERS, N_ITEMS), np.float32))


@pytest.fixture(params=CODECS, scope="module")
def nearest(request: pytest.FixtureRequest) -> CodebookCodec:
    """The codec as it is, whose codes are the nearest."""
    return codec_of(request.param)


@pytest.fixture(params=GUIDES, scope="module")
def guide(request: pytest.FixtureRequest) -> Guide:
    return GUIDES[request.param]


@pytest.fixture(scope="module")
def codec(nearest: CodebookCodec, guide: Guide) -> GuidedCodec:
    return guided(nearest, guide)


@pytest.fixture(scope="module")
def codes(codec: GuidedCodec) -> np.ndarray:
    return codec.encode_users(VECTORS, LAYER.histories)


def test_is_a_codec_that_chooses_by_histories(codec: GuidedCodec) -> None:
    assert isinstance(codec, Codec)
    assert isinstance(codec, ByHistory)


def test_codes_are_as_long_as_the_nearest_and_stored_with_as_much(
    codec: GuidedCodec, nearest: CodebookCodec, codes: np.ndarray
) -> None:
    assert codes.dtype == np.uint8
    assert codes.shape == (N_USERS, nearest.bytes_per_vector)
    assert codec.shared_bytes == nearest.shared_bytes
    assert codec.n_codebooks == nearest.n_codebooks


def test_no_code_is_worse_than_the_nearest_and_some_are_better(
    guide: Guide, nearest: CodebookCodec, codes: np.ndarray
) -> None:
    of_nearest = objectives(nearest.decode(nearest.encode(VECTORS)), guide)
    of_guided = objectives(nearest.decode(codes), guide)
    assert (of_guided <= of_nearest + ROUNDING).all()
    assert (of_guided < of_nearest - ROUNDING).any()


def test_it_decodes_as_the_codec(codec: GuidedCodec, nearest: CodebookCodec, codes: np.ndarray) -> None:
    np.testing.assert_array_equal(codec.decode(codes), nearest.decode(codes))


def test_what_the_search_decodes_is_what_is_decoded(
    codec: GuidedCodec, nearest: CodebookCodec, codes: np.ndarray
) -> None:
    searched = codec._decoded(torch.from_numpy(codes.astype(np.int64))[:, None])[:, 0]
    np.testing.assert_allclose(searched.numpy(), nearest.decode(codes), atol=1e-5)


def test_users_one_by_one_get_the_codes_of_the_batch(codec: GuidedCodec, codes: np.ndarray) -> None:
    alone = [
        codec.encode_users(VECTORS[user : user + 1], LAYER.histories[user : user + 1]) for user in range(0, N_USERS, 3)
    ]
    np.testing.assert_array_equal(np.concatenate(alone), codes[::3])


def test_no_users_have_no_codes(codec: GuidedCodec, nearest: CodebookCodec) -> None:
    assert codec.encode_users(VECTORS[:0], LAYER.histories[:0]).shape == (0, nearest.bytes_per_vector)


def test_two_threads_give_the_codes_of_one(codec: GuidedCodec, codes: np.ndarray) -> None:
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            for n_users in (N_USERS, 3):  # several blocks, and one
                found = codec.encode_users(VECTORS[:n_users], LAYER.histories[:n_users])
                np.testing.assert_array_equal(found, codes[:n_users])
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_items", [N_ITEMS - 1, N_ITEMS + 1])
def test_histories_of_other_items_are_said(codec: GuidedCodec, n_items: int) -> None:
    with pytest.raises(ValueError, match=f"histories .*, {n_items}"):
        codec.encode_users(VECTORS, csr_array(np.zeros((N_USERS, n_items), np.float32)))


# ---


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("by", ["likelihood", "likelihood, pulled"])
def test_by_likelihood_users_without_items_have_the_nearest_code(name: str, by: str) -> None:
    nearest = codec_of(name)
    codec = guided(nearest, GUIDES[by])
    np.testing.assert_array_equal(codec.encode_users(VECTORS, EMPTY), nearest.encode(VECTORS))


@pytest.mark.parametrize("name", CODECS)
def test_a_mixture_without_items_is_of_scores(name: str) -> None:
    nearest = codec_of(name)
    of_scores = guided(nearest, GUIDES["scores"])
    np.testing.assert_array_equal(
        guided(nearest, GUIDES["mixture"]).encode_users(VECTORS, EMPTY), of_scores.encode_users(VECTORS, EMPTY)
    )


@pytest.mark.parametrize(("share", "as_guide"), [(0.0, "scores"), (1.0, "likelihood")])
def test_a_mixture_of_one_part_is_that_part(share: float, as_guide: str) -> None:
    nearest = codec_of("residual")
    has_items = LAYER.histories.sum(1) > 0
    mixed = guided(nearest, Guide("mixture", 8, share, 0.0)).encode_users(VECTORS, LAYER.histories)
    pure = guided(nearest, GUIDES[as_guide]).encode_users(VECTORS, LAYER.histories)
    if share == 0.0:
        np.testing.assert_array_equal(mixed, pure)
    np.testing.assert_array_equal(mixed[has_items], pure[has_items])


def test_the_more_known_items_count_the_likelier_they_get() -> None:
    nearest = codec_of("residual")
    found = [
        nearest.decode(guided(nearest, Guide("mixture", 8, share, 0.0)).encode_users(VECTORS, LAYER.histories))
        for share in (0.0, 0.2, 1.0)
    ]
    unlikely = [objectives(decoded, GUIDES["likelihood"]).mean() for decoded in found]
    assert unlikely == sorted(unlikely, reverse=True)
    far = [objectives(decoded, GUIDES["scores"]).mean() for decoded in found]
    assert far == sorted(far)


def test_pull_keeps_codes_near_the_embedding() -> None:
    nearest = codec_of("residual")
    errors = [
        np.square(
            nearest.decode(guided(nearest, Guide("mixture", 8, 0.2, pull)).encode_users(VECTORS, LAYER.histories))
            - VECTORS
        ).mean()
        for pull in (0.0, 2.0, 1e5)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] <= np.square(nearest.decode(nearest.encode(VECTORS)) - VECTORS).mean() * 1.0001


# ---


def test_scores_alone_need_no_items() -> None:
    codec = guided(codec_of("residual"), GUIDES["scores"])
    np.testing.assert_array_equal(codec.encode(VECTORS), codec.encode_users(VECTORS, EMPTY))


@pytest.mark.parametrize("by", ["likelihood", "mixture"])
def test_vectors_alone_are_refused_where_items_count(by: str) -> None:
    with pytest.raises(UserError, match=f"the encoder '{by}' chooses codes by .* give the histories of the users"):
        guided(codec_of("residual"), GUIDES[by]).encode(VECTORS)


def test_without_numba_pytorch_finds_the_candidates_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nearest = codec_of("residual")
    with_numba = guided(nearest, GUIDES["mixture"]).encode_users(VECTORS, LAYER.histories)
    for module in ("stages.search.nearest", "stages.search.kernels", "stages.run.compiled"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with caplog.at_level(logging.WARNING):
        codes = guided(nearest, GUIDES["mixture"]).encode_users(VECTORS, LAYER.histories)
    assert "Numba can't be imported" in caplog.text
    assert (codes == with_numba).all(1).mean() > 0.98


def test_users_are_encoded_with_or_without_histories_as_the_codec_asks() -> None:
    nearest = codec_of("residual")
    codec = guided(nearest, GUIDES["mixture"])
    np.testing.assert_array_equal(encode_users(nearest, VECTORS, LAYER.histories), nearest.encode(VECTORS))
    np.testing.assert_array_equal(
        encode_users(codec, VECTORS, LAYER.histories), codec.encode_users(VECTORS, LAYER.histories)
    )


# ---


@pytest.mark.parametrize("by", GUIDES)
def test_every_length_is_searched_on_its_own_and_a_longer_one_is_better(by: str) -> None:
    whole = codec_of("residual")
    assert isinstance(whole, ResidualCodec)
    means, found = [], []
    for n_bytes in (1, 2, 3):
        prefix = whole.prefix(n_bytes)
        codes = guided(prefix, GUIDES[by]).encode_users(VECTORS, LAYER.histories)
        assert codes.shape == (N_USERS, n_bytes)
        means.append(objectives(prefix.decode(codes), GUIDES[by]).mean())
        found.append(codes)
    assert means == sorted(means, reverse=True)
    assert (found[1][:, 0] != found[2][:, 0]).any()


@pytest.mark.parametrize("name", CODECS)
def test_one_byte_is_searched_to_the_end(name: str) -> None:
    """With one code there is no local optimum: all 256 are a change away."""
    whole = codec_of(name)
    used = whole.codebooks[:1] if not isinstance(whole, ProductCodec) else whole.codebooks.reshape(-1, 256, WIDTH)[:1]
    single = ResidualCodec(used, beam=1, transform=whole.transform)
    guide = Guide("mixture", 256, 0.2, 0.0)
    codes = guided(single, guide).encode_users(VECTORS, LAYER.histories)
    every = np.stack(
        [objectives(np.repeat(single.decode(np.array([[code]], np.uint8)), N_USERS, 0), guide) for code in range(256)]
    )
    assert (every[codes[:, 0], np.arange(N_USERS)] <= every.min(0) + ROUNDING).all()


# ---


@pytest.mark.parametrize("by", GUIDES)
@pytest.mark.parametrize("name", ["product", "residual", "additive"])
def test_of_two_equal_codes_the_first_is_taken(name: str, by: str) -> None:
    codec = codec_of(name)
    twice = codec.codebooks.copy()
    twice[:, 128:] = twice[:, :128]
    equal = ProductCodec(twice) if name == "product" else ResidualCodec(twice, beam=5)
    codes = guided(equal, GUIDES[by]).encode_users(VECTORS, LAYER.histories)
    assert codes.max() < 128


def test_where_all_codes_are_equal_the_nearest_stays() -> None:
    same = ResidualCodec(np.ones((2, 256, WIDTH), np.float32), beam=5)
    codes = guided(same, GUIDES["mixture"]).encode_users(VECTORS, LAYER.histories)
    np.testing.assert_array_equal(codes, same.encode(VECTORS))


# ---


@pytest.mark.parametrize("name", CODECS)
def test_more_candidates_do_not_begin_worse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "MOST_ROUNDS", 0)
    nearest = codec_of(name)
    found = [
        objectives(
            nearest.decode(
                guided(nearest, Guide("mixture", candidates, 0.2, 0.0)).encode_users(VECTORS, LAYER.histories)
            ),
            Guide("mixture", candidates, 0.2, 0.0),
        )
        for candidates in (1, 4, 32)
    ]
    if isinstance(nearest, ProductCodec):  # these are exactly the nearest; a wider beam may lose one of a narrower
        assert (found[1] <= found[0] + ROUNDING).all()
        assert (found[2] <= found[1] + ROUNDING).all()
    assert found[0].mean() > found[1].mean() > found[2].mean()


def of_many_items(n_items: int) -> Layer:
    """A layer of items as unequally popular as in ratings."""
    draws = np.random.default_rng(11)
    weight = draws.normal(size=(n_items, WIDTH)).astype(np.float32)
    bias = np.float32(-1.5) * np.log(1 + np.arange(n_items, dtype=np.float32))
    return Layer(weight, bias, VECTORS, histories(VECTORS, weight, bias))


@pytest.mark.parametrize("by", GUIDES)
def test_a_shortlist_chooses_as_all_items_do(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,500 items, with 1,024 as they are; with 200 nearly as well."""
    layer, nearest = of_many_items(1500), codec_of("residual")
    found = [nearest.encode(VECTORS)]
    for shortlist in (200, 1024, 1500):
        monkeypatch.setattr(objective, "SHORTLIST", shortlist)
        found.append(guided(nearest, GUIDES[by], layer).encode_users(VECTORS, layer.histories))
    assert (found[2] == found[3]).all(1).mean() >= 0.9
    of_nearest, of_200, of_1024, of_all = (
        objectives(nearest.decode(codes), GUIDES[by], layer).mean() for codes in found
    )
    gain = of_nearest - of_all
    assert of_200 < of_all + 0.05 * gain
    assert of_1024 < of_all + 0.01 * gain
