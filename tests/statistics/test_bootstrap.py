"""Paired confidence intervals."""

import numpy as np
import pytest

from stages.statistics.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(resamples=2000, seed=0)
DRAWS = np.random.default_rng(0)
USERS = DRAWS.uniform(size=(3, 500))


def test_what_users_and_seeds_share_cancels() -> None:
    assert BOOTSTRAP.difference(USERS + 0.05, USERS) == pytest.approx((0.05, 0.05, 0.05))
    assert BOOTSTRAP.share(USERS * 0.98, USERS) == pytest.approx((0.98, 0.98, 0.98))
    assert BOOTSTRAP.share_above(USERS * 0.75 + 0.25 * 0.1, USERS, np.full((1, 500), 0.1)) == pytest.approx((0.75,) * 3)


def test_there_is_no_share_of_what_may_be_nothing() -> None:
    assert np.isnan(BOOTSTRAP.share_above(USERS, USERS, USERS + DRAWS.normal(size=500))).all()


def test_an_interval_of_a_difference_is_two_standard_errors_to_both_sides() -> None:
    noise = DRAWS.normal(size=500)  # the same in every seed
    value, low, high = BOOTSTRAP.difference(USERS + noise, USERS)
    error = noise.std(ddof=1) / np.sqrt(500)
    assert value == pytest.approx(noise.mean())
    assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error), abs=0.2 * error)


def test_a_difference_between_seeds_alone_widens_the_interval() -> None:
    apart = np.array([[-0.1], [0.0], [0.1]])  # the same for every user
    value, low, high = BOOTSTRAP.difference(USERS + apart, USERS)
    assert value == pytest.approx(0)
    assert (low, high) == pytest.approx((-0.1, 0.1), abs=0.04)


def test_a_row_without_seeds_is_the_same_in_each() -> None:
    once = USERS[:1]
    thrice = np.repeat(once, 3, axis=0)
    assert BOOTSTRAP.difference(USERS, once) == pytest.approx(BOOTSTRAP.difference(USERS, thrice))


def test_the_same_seed_draws_the_same_interval_and_another_one_another() -> None:
    noisy = USERS + DRAWS.normal(size=(3, 500))
    again, other = Bootstrap(2000, 0), Bootstrap(2000, 1)
    assert BOOTSTRAP.share(noisy, USERS) == again.share(noisy, USERS) != other.share(noisy, USERS)
