"""Residual codebooks as they are fitted."""

from itertools import pairwise

import numpy as np

from stages.codebooks.residual import ResidualCodec, fit_residual

DRAWS = np.random.default_rng(0)
STEEP = (DRAWS.normal(size=(2000, 50)) * 0.9 ** np.arange(50)).astype(np.float32)


def lost(n_bytes: int) -> float:
    codec = ResidualCodec(fit_residual(STEEP, 8, seed=0), beam=1).prefix(n_bytes)
    return float(np.square(codec.decode(codec.encode(STEEP)) - STEEP).sum() / np.square(STEEP).sum())


def test_each_codebook_is_fitted_to_what_the_ones_before_have_left() -> None:
    shares = [lost(n_bytes) for n_bytes in range(1, 9)]
    assert all(after < 0.9 * before for before, after in pairwise(shares))


def test_a_longer_fit_begins_with_the_codebooks_of_a_shorter_one() -> None:
    np.testing.assert_array_equal(fit_residual(STEEP, 3, seed=0)[:2], fit_residual(STEEP, 2, seed=0))
