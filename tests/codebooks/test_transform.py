"""The rotation before product codes, from its start to its end."""

import numpy as np

from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.transform import Transform, balanced_axes, fit_rotation

RANDOM = np.random.default_rng(0)
MIXING = np.linalg.qr(RANDOM.normal(size=(8, 8)))[0]
DEVIATIONS = 2.0 ** -np.arange(8)
VECTORS = (RANDOM.normal(size=(2000, 8)) * DEVIATIONS @ MIXING).astype(np.float32)


def lost(transform: Transform) -> float:
    """Squared error of two bytes."""
    codec = ProductCodec(fit_product(transform.apply(VECTORS), 2, seed=0), transform)
    return float(np.square(codec.decode(codec.encode(VECTORS)) - VECTORS).sum())


def test_axes_are_shared_out_so_that_no_chunk_has_all_the_variance() -> None:
    axes = balanced_axes(VECTORS, 2)
    np.testing.assert_allclose(axes @ axes.T, np.eye(8), atol=1e-5)
    order = np.abs(axes @ MIXING.T).argmax(1)  # each axis is one that the vectors were made of
    assert [sorted(chunk) for chunk in order.reshape(2, 4).tolist()] == [[0, 3, 4, 7], [1, 2, 5, 6]]


def test_axes_of_one_dimension() -> None:
    assert np.abs(balanced_axes(VECTORS[:, :1], 1)) == 1


def test_a_rotation_ends_no_worse_than_it_starts_and_far_better_than_none() -> None:
    start = balanced_axes(VECTORS, 2)
    nothing = np.eye(8, dtype=np.float32)
    rotated = lost(fit_rotation(VECTORS, 2, seed=0))
    assert rotated <= lost(Transform(np.ascontiguousarray(start.T), start)) * 1.01
    assert rotated < 0.6 * lost(Transform(nothing, nothing))
