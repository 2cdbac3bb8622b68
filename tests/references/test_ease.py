"""EASE against its closed form, and where it can't be fitted."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.references.ease import Ease
from stages.run.errors import UserError


def test_ease_is_its_closed_form(checkerboard: csr_array) -> None:
    """Steck 2019, equation 8, with a general inverse."""
    dense = checkerboard.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 10.0 * np.eye(dense.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    model = Ease(dense.shape[1], l2=10.0)
    model.fit(checkerboard)
    np.testing.assert_allclose(model.weights.numpy(), weights, atol=1e-6)
    np.testing.assert_allclose(model.score(checkerboard).numpy(), dense @ weights, atol=1e-5)


def test_ease_says_when_there_are_too_many_items_for_this_machine() -> None:
    with pytest.raises(UserError, match="EASE needs 80,000,000 GB of memory for 100,000,000 items"):
        Ease(100_000_000, l2=1.0)


def test_ease_says_where_in_params_its_entry_is() -> None:
    with pytest.raises(UserError, match=r"remove the ease entry under references in params\.yaml"):
        Ease(100_000_000, l2=1.0)


def test_ease_says_when_l2_is_too_small(checkerboard: csr_array) -> None:
    with pytest.raises(UserError, match="raise l2 of ease"):
        Ease(checkerboard.shape[1], l2=1e-12).fit(csr_array(np.repeat(checkerboard[:3].toarray(), 7, axis=0)))
