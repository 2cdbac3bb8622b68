"""The ranking by counts."""

import numpy as np
from scipy.sparse import csr_array

from stages.references.popularity import Popularity


def test_popularity_ranks_by_count_and_ties_by_order() -> None:
    train = csr_array(np.array([[1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 0, 0]], dtype=np.float32))
    model = Popularity(4)
    model.fit(train)
    assert model.score(model.embed(train))[0].argsort(descending=True).tolist() == [0, 2, 3, 1]
