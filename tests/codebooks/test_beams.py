"""Candidates are the nearest codes: all that there are to find, checked against every combination."""

from itertools import product

import numpy as np
import pytest
import torch

from stages.codebooks.beams import nearest_chunks, nearest_sums

N, M, N_CODES, WIDTH = 20, 3, 6, 4
DRAWS = np.random.default_rng(0)
CODEBOOKS = torch.from_numpy(DRAWS.normal(size=(M, N_CODES, WIDTH)).astype(np.float32))
VECTORS = torch.from_numpy(DRAWS.normal(size=(N, WIDTH)).astype(np.float32))
CHUNKED = torch.from_numpy(DRAWS.normal(size=(N, M * WIDTH)).astype(np.float32))
EVERY = np.array(list(product(range(N_CODES), repeat=M)))  # (216, M)


def check_nearest(found: torch.Tensor, vectors: torch.Tensor, decoded: np.ndarray) -> None:
    """Check that all that were found differ, and are as near as the nearest; decoded : (216, width), of `EVERY`."""
    distances = np.square(vectors.numpy()[:, None].astype(np.float64) - decoded).sum(2)  # (n, 216)
    numbers = np.ravel_multi_index(tuple(np.moveaxis(found.numpy(), 2, 0)), (N_CODES,) * M)  # (n, k)
    assert all(len(set(of_vector)) == len(of_vector) for of_vector in numbers.tolist())
    nearest = np.sort(distances, axis=1)[:, : numbers.shape[1]]
    np.testing.assert_allclose(np.take_along_axis(distances, numbers, 1), nearest, atol=1e-4)


def sums() -> np.ndarray:
    return CODEBOOKS.numpy()[np.arange(M), EVERY].sum(1)


def chunks() -> np.ndarray:
    return CODEBOOKS.numpy()[np.arange(M), EVERY].reshape(len(EVERY), -1)


@pytest.mark.parametrize("k", [1, 2, 7, N_CODES**M])
def test_combinations_of_chunks_are_the_nearest_of_all(k: int) -> None:
    found = nearest_chunks(CODEBOOKS, CHUNKED, k)
    assert found.shape == (N, k, M)
    check_nearest(found, CHUNKED, chunks())


def test_a_full_beam_finds_the_nearest_sums_of_all() -> None:
    check_nearest(nearest_sums(CODEBOOKS, VECTORS, N_CODES**M), VECTORS, sums())


def test_a_beam_of_one_is_greedy() -> None:
    codes = nearest_sums(CODEBOOKS, VECTORS, 1).numpy()
    for vector, (code,) in zip(VECTORS.numpy(), codes, strict=True):
        rest = vector.copy()
        for number, codebook in zip(code, CODEBOOKS.numpy(), strict=True):
            assert number == np.square(rest - codebook).sum(1).argmin()
            rest -= codebook[number]


@pytest.mark.parametrize("beam", [1, 4, 10 * N_CODES**M])
def test_as_many_are_found_as_there_are(beam: int) -> None:
    expected = (N, min(beam, N_CODES**M), M)
    assert nearest_sums(CODEBOOKS, VECTORS, beam).shape == expected
    assert nearest_chunks(CODEBOOKS, CHUNKED, beam).shape == expected
