"""Compiled sums are SciPy's product, bit for bit."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from stages.run import compiled
from stages.serving.encoding.sums import sums_of_rows


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_sums_are_the_product_bit_for_bit(threads: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "N_THREADS", threads)
    draws = np.random.default_rng(0)
    histories = csr_array(random_array((300, 50), density=0.1, rng=draws, dtype=np.float32))
    histories.data[:] = 1
    histories.indices, histories.indptr = histories.indices.astype(dtype), histories.indptr.astype(dtype)
    assert (np.diff(histories.indptr) == 0).any()
    weight = draws.normal(size=(50, 7)).astype(np.float32)
    np.testing.assert_array_equal(sums_of_rows(histories, weight), histories @ weight)
