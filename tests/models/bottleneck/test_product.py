"""Product codes of codebooks whose codes are whole numbers."""

import numpy as np
import pytest
import torch

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec, fit_product
from stages.config.model import ProductBottleneckSettings
from stages.models.bottleneck.product import ProductScheme, build

SCHEME = ProductScheme(4, 2, rotation=False)
CODEBOOKS = torch.arange(CODES, dtype=torch.float32)[:, None].expand(2, CODES, 2)  # code i of each chunk is (i, i)


def test_each_chunk_has_a_codebook_of_its_width() -> None:
    assert ProductScheme(12, 3, rotation=False).shape == (3, CODES, 4)


def test_each_chunk_is_encoded_by_its_nearest_code() -> None:
    vectors = torch.tensor([[0.2, 0.4, 10.0, 11.0], [3.0, 4.2, 7.0, 7.0]])
    assert SCHEME.encode(CODEBOOKS + torch.tensor([0.0, 0.1])[:, None, None], vectors).tolist() == [[0, 10], [4, 7]]


def test_codes_decode_side_by_side() -> None:
    assert SCHEME.decode(CODEBOOKS, torch.tensor([[0, 10], [4, 7]])).tolist() == [[0, 0, 10, 10], [4, 4, 7, 7]]


def test_the_targets_are_the_chunks() -> None:
    targets = SCHEME.targets(CODEBOOKS, torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.zeros(1, 2, dtype=torch.int64))
    assert targets.tolist() == [[[1, 2], [3, 4]]]


def test_in_saturated_chunks_training_and_serving_choose_codes_that_are_equally_near() -> None:
    """Many codes lie within float32's rounding of each other there; faiss, which serves, may take another of them."""
    draws = np.random.default_rng(0)
    vectors = np.tanh(6 * draws.normal(size=(4000, 3)) @ draws.normal(size=(3, 40))).astype(np.float32)
    codebooks = fit_product(vectors, 8, seed=0)
    training = (
        ProductScheme(40, 8, rotation=False).encode(torch.from_numpy(codebooks), torch.from_numpy(vectors)).numpy()
    )
    serving = ProductCodec(codebooks).encode(vectors)
    chunk, chunks = np.arange(8), vectors.reshape(-1, 8, 5)
    of_training, of_serving = (np.square(chunks - codebooks[chunk, codes]).sum(2) for codes in (training, serving))
    np.testing.assert_allclose(of_training, of_serving, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rotation", [False, True])
def test_the_scheme_is_that_of_its_entry(rotation: bool) -> None:
    settings = ProductBottleneckSettings(
        kind="product", chunks=40, rotation=rotation, start=0.8, ema_decay=0.99, commitment=0.25, dead_code_share=0.05,
        target="scores", follow="parts",
    )  # fmt: skip
    assert build(settings, 200) == ProductScheme(200, 40, rotation)
