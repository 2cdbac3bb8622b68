"""The list of users without a code."""

from dataclasses import replace

import numpy as np
import pytest

from stages.run.errors import UserError
from stages.serving.scoring.popularity import Popularity
from tests.serving.scoring.packages import drawn_package

ITEMS = replace(drawn_package(5).items, interactions=np.array([3, 7, 3, 9, 1]))


def test_most_interactions_first_and_ties_by_column() -> None:
    top = Popularity(ITEMS).top(2, 4)
    assert top.items.tolist() == [[3, 1, 0, 2]] * 2
    assert top.scores.tolist() == [[9, 7, 3, 3]] * 2


def test_seen_items_are_left_out_and_the_list_ends_where_none_are_left() -> None:
    top = Popularity(ITEMS).top(3, 3, [np.array([3, 3, 0]), np.array([], int), np.arange(4)])
    assert top.items.tolist() == [[1, 2, 4], [3, 1, 0], [4, -1, -1]]
    assert top.scores.tolist() == [[7, 3, 1], [9, 7, 3], [1, -np.inf, -np.inf]]


def test_longer_than_the_catalogue() -> None:
    with pytest.raises(UserError, match=r"a list of 6 items where the package has 5: ask for 1 to 5"):
        Popularity(ITEMS).top(1, 6)
