"""K-means of wide vectors against a naive one, and from where it starts."""

import numpy as np
import torch

from stages.codebooks.clustering import CODES, nearest_codes, wide_k_means

DRAWS = np.random.default_rng(0)
CENTRES = 10 * DRAWS.normal(size=(CODES, 20))
VECTORS = (CENTRES.repeat(8, 0) + DRAWS.normal(size=(8 * CODES, 20))).astype(np.float32)


def clustered(vectors: np.ndarray, iterations: int, seed: int = 0) -> np.ndarray:
    return wide_k_means(torch.from_numpy(vectors), iterations, np.random.default_rng(seed)).numpy()


def lost(vectors: np.ndarray, codebook: np.ndarray) -> float:
    """Mean squared distance to the nearest code."""
    return float(np.square(vectors[:, None] - codebook[None]).sum(2).min(1).mean())


def test_each_vector_gets_its_nearest_code() -> None:
    codebook = VECTORS[:CODES]
    codes, scores = nearest_codes(torch.from_numpy(VECTORS), torch.from_numpy(codebook))
    distances = np.square(VECTORS[:, None] - codebook[None]).sum(2)
    np.testing.assert_array_equal(codes, distances.argmin(1))
    half = np.square(VECTORS).sum(1) / 2
    np.testing.assert_allclose(scores.numpy() + half, distances.min(1) / 2, atol=0.01)


def test_a_code_is_the_mean_of_its_vectors() -> None:
    before, after = clustered(VECTORS, 3), clustered(VECTORS, 4)
    nearest = np.square(VECTORS[:, None] - before[None]).sum(2).argmin(1)
    for code in np.unique(nearest):
        np.testing.assert_allclose(after[code], VECTORS[nearest == code].mean(0), atol=1e-4)


def test_an_unused_code_takes_the_vector_farthest_from_its_own() -> None:
    vectors = np.zeros((1000, 2), np.float32)  # all but a few codes are unused
    vectors[:3] = [[1, 0], [0, 50], [90, 90]]
    assert lost(vectors, clustered(vectors, 2)) == 0


def test_more_iterations_lose_less() -> None:
    errors = [lost(VECTORS, clustered(VECTORS, iterations)) for iterations in (1, 3, 10)]
    assert errors == sorted(errors, reverse=True)


def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    assert np.array_equal(clustered(VECTORS, 2), clustered(VECTORS, 2))
    assert not np.array_equal(clustered(VECTORS, 2), clustered(VECTORS, 2, seed=1))
