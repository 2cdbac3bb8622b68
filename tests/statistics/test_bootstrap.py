"""Paired confidence intervals."""

import numpy as np
import pytest

from stages.statistics.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(resamples=2000, seed=0)
DRAWS = np.random.default_rng(0)
USERS = DRAWS.uniform(size=500)


def test_what_users_share_cancels() -> None:
    assert BOOTSTRAP.difference(USERS + 0.05, USERS) == pytest.approx((0.05, 0.05, 0.05))
    assert BOOTSTRAP.share(USERS * 0.98, USERS) == pytest.approx((0.98, 0.98, 0.98))


def test_an_interval_of_a_difference_is_two_standard_errors_to_both_sides() -> None:
    noise = DRAWS.normal(size=500)
    value, low, high = BOOTSTRAP.difference(USERS + noise, USERS)
    error = noise.std(ddof=1) / np.sqrt(500)
    assert value == pytest.approx(noise.mean())
    assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=0.2 * error)


def test_the_same_seed_draws_the_same_interval() -> None:
    noise = DRAWS.normal(size=500)
    assert BOOTSTRAP.share(USERS + noise, USERS) == BOOTSTRAP.share(USERS + noise, USERS)
