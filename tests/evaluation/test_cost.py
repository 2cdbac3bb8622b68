"""How variance is spread, and what a codec loses of it."""

import numpy as np
import pytest

from stages.evaluation.cost import spectrum, variance_lost

VECTORS = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], dtype=np.float32)


def test_the_mean_loses_all_variance_and_what_is_exact_none() -> None:
    assert variance_lost(VECTORS, np.ones_like(VECTORS)) == pytest.approx(1)
    assert variance_lost(VECTORS, VECTORS) == 0


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_there_is_no_share_where_all_are_alike(n: int) -> None:
    alike = np.full((n, 5), 0.1, dtype=np.float32)
    assert variance_lost(alike, alike + 1) is None
    assert variance_lost(alike, alike) == 0


def test_the_spectrum_has_the_largest_share_first_whatever_the_rotation() -> None:
    stretched = VECTORS * [1, 3]
    quarter = np.sqrt(np.array([[0.5, 0.5], [0.5, 0.5]])) * [[1, 1], [1, -1]]
    for vectors in (stretched, stretched[:, ::-1], stretched @ quarter + 7):
        assert spectrum(vectors) == pytest.approx([0.9, 0.1])


def test_there_is_no_spectrum_where_all_are_alike() -> None:
    assert spectrum(np.ones_like(VECTORS)) == []
    assert spectrum(VECTORS[:, :0]) == []
