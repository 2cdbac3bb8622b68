"""Variance that a codec loses."""

import numpy as np
import pytest

from stages.evaluation.cost import variance_lost

VECTORS = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], dtype=np.float32)


def test_the_mean_loses_all_variance_and_what_is_exact_none() -> None:
    assert variance_lost(VECTORS, np.ones_like(VECTORS)) == pytest.approx(1)
    assert variance_lost(VECTORS, VECTORS) == 0


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_there_is_no_share_where_all_are_alike(n: int) -> None:
    alike = np.full((n, 5), 0.1, dtype=np.float32)
    assert variance_lost(alike, alike + 1) is None
    assert variance_lost(alike, alike) == 0
