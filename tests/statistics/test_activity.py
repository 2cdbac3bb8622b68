"""Bytes by activity."""

import numpy as np
import pytest

from stages.statistics.activity import allocate, quarter_bounds, quarters_of

QUARTERS = np.repeat(np.arange(4), 5)


def ndcg(*gains: float) -> np.ndarray:
    """20 users in quarters, codes up to 4 bytes; a byte gains so much in each quarter."""
    return np.repeat(np.array(gains), 5)[:, None] * np.arange(1, 5)


def test_bytes_go_where_they_gain_most() -> None:
    assert allocate(ndcg(0.0, 0.0, 0.1, 0.2), QUARTERS, 2).tolist() == [1, 1, 2, 4]


def test_a_more_active_quarter_never_has_fewer_bytes() -> None:
    assert allocate(ndcg(0.2, 0.1, 0.0, 0.0), QUARTERS, 2).tolist() == [2, 2, 2, 2]


def test_bytes_that_gain_nothing_are_not_spent() -> None:
    assert allocate(ndcg(0.0, 0.0, 0.0, 0.0), QUARTERS, 3).tolist() == [1, 1, 1, 1]


def test_a_byte_that_happens_to_lose_is_smoothed() -> None:
    noisy = np.repeat(np.array([[0.1, 0.3, 0.2, 0.4]]), 20, axis=0)
    assert allocate(noisy, QUARTERS, 4).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("budget", [1.0, 1.75, 2.5, 3.75, 10.0])
def test_the_budget_is_kept(budget: float) -> None:
    chosen = allocate(ndcg(0.1, 0.2, 0.3, 0.4), QUARTERS, budget)
    assert chosen[QUARTERS].mean() <= budget


def test_users_with_the_same_number_of_interactions_are_in_the_same_quarter() -> None:
    lengths = np.array([5, 5, 5, 5, 5, 6, 7, 8])
    quarters = quarters_of(lengths, quarter_bounds(lengths))
    assert len(set(quarters[:5])) == 1
    assert (np.diff(quarters) >= 0).all()
