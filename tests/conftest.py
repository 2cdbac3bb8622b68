"""Small data whose right answers are known by heart."""

import numpy as np
import pytest
from scipy.sparse import csr_array

N_USERS, N_ITEMS = 300, 40  # at least 256 users: as many as a codebook has codes


@pytest.fixture(scope="session")
def checkerboard() -> csr_array:
    """(300, 40): even users like even items, odd users odd ones; each has not seen about a third of theirs."""
    generator = np.random.default_rng(0)
    same_colour = np.add.outer(np.arange(N_USERS), np.arange(N_ITEMS)) % 2 == 0
    seen = generator.random((N_USERS, N_ITEMS)) < 0.65
    return csr_array((same_colour & seen).astype(np.float32))
