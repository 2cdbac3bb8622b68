"""Product quantization: k-means in every chunk."""

import numpy as np

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec, fit_product

VECTORS = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)


def test_each_chunk_takes_its_nearest_code() -> None:
    codebooks = fit_product(VECTORS, 2, seed=0)
    chunks = VECTORS.reshape(len(VECTORS), 2, 1, 4)
    nearest = np.square(chunks - codebooks[None]).sum(-1).argmin(-1)  # (n, 2)
    np.testing.assert_array_equal(ProductCodec(codebooks).encode(VECTORS), nearest)


def test_more_bytes_lose_less() -> None:
    errors = []
    for chunks in (1, 2, 4, 8):
        codec = ProductCodec(fit_product(VECTORS, chunks, seed=0))
        errors.append(float(np.square(codec.decode(codec.encode(VECTORS)) - VECTORS).sum()))
    assert errors == sorted(errors, reverse=True)


def test_codebooks_take_as_many_bytes_as_their_numbers() -> None:
    assert ProductCodec(fit_product(VECTORS, 2, seed=0)).shared_bytes == 2 * CODES * 4 * 4


def test_all_vectors_count_however_many() -> None:
    """faiss by itself would take 256 vectors per code, here 65,536 of 100,000, and leave the rest."""
    many = np.random.default_rng(2).normal(size=(100_000, 1)).astype(np.float32)
    codebooks = fit_product(many, 1, seed=0)
    for position in range(8):
        changed = many.copy()
        changed[position] += 100
        assert not np.array_equal(fit_product(changed, 1, seed=0), codebooks)
