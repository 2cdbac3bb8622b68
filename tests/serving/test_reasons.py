"""Which items of a history weigh most."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.run.errors import UserError
from stages.serving import reasons
from stages.serving.encoding.encoder import embed
from tests.serving.scoring.packages import drawn_package
from tests.serving.served import drawn_encoder

PACKAGE = replace(drawn_package(50), encoder=drawn_encoder(50))


def scores(history: list[int]) -> np.ndarray:
    interactions = np.zeros((1, 50), np.float32)
    interactions[0, history] = 1
    return (embed(PACKAGE, csr_array(interactions)) @ PACKAGE.items.weight.T)[0]


@pytest.mark.parametrize("most", [10**7, 5])
def test_a_weight_is_what_the_score_loses_without_the_item(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "MOST_ENTRIES", most)  # histories embedded in one block, and one after another
    history, items = [3, 7, 20, 41], [0, 49, 12]
    found = reasons.weights(PACKAGE, np.array(history), np.array(items))
    for column, item in enumerate(history):
        without = scores([other for other in history if other != item])
        np.testing.assert_allclose(found[:, column], (scores(history) - without)[items], atol=1e-4)


def test_of_one_item_the_weight_is_against_an_empty_history() -> None:
    found = reasons.weights(PACKAGE, np.array([3]), np.array([5]))
    assert found[0, 0] == pytest.approx((scores([3]) - scores([]))[5], abs=1e-4)


def test_vectors_that_came_from_elsewhere_have_no_reasons() -> None:
    with pytest.raises(UserError, match="has no encoder"):
        reasons.weights(replace(PACKAGE, encoder=None), np.array([3]), np.array([5]))
