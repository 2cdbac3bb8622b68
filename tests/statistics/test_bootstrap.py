"""Paired confidence intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_a_mean_over_pairs_is_of_their_differences_and_varies_less_than_either() -> None:
    noise = DRAWS.normal(size=(2, 500))
    pairs = [(USERS + 0.1 + noise[0], USERS), (USERS[:1] + noise[1], USERS[:1])]
    value, low, high = BOOTSTRAP.mean_difference(pairs)
    one, other = (BOOTSTRAP.difference(*pair) for pair in pairs)
    assert value == pytest.approx((one.value + other.value) / 2)
    assert high - low < min(one.high - one.low, other.high - other.low)


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


def test_a_share_leaves_out_the_resamples_in_which_the_other_row_has_nothing() -> None:
    other = np.zeros((3, 8))
    other[:, 0] = 0.5  # a third of the resamples has no such user
    assert (BOOTSTRAP.means(other) == 0).mean() == pytest.approx((7 / 8) ** 8, abs=0.03)
    assert BOOTSTRAP.share(other * 0.5, other) == pytest.approx((0.5, 0.5, 0.5))
    value, low, high = BOOTSTRAP.share(np.full((3, 8), 0.0625), other)
    assert value == pytest.approx(1)
    assert low == pytest.approx(1 / 3)  # the user is drawn four times or more in fewer than 2.5 % of the resamples
    assert high == pytest.approx(1)


def test_there_is_no_share_of_nothing() -> None:
    nothing = np.zeros_like(USERS)
    assert np.isnan(BOOTSTRAP.share(USERS, nothing)).all()
    assert np.isnan(BOOTSTRAP.share_above(USERS, nothing, nothing)).all()
    assert BOOTSTRAP.share(nothing, USERS) == (0, 0, 0)


def test_one_user_has_values_and_no_intervals() -> None:
    row, other, base = np.array([[0.3], [0.5]]), np.array([[0.4], [0.6]]), np.array([[0.1]])
    intervals = [
        BOOTSTRAP.difference(row, other), BOOTSTRAP.share(row, other), BOOTSTRAP.share_above(row, other, base),
    ]  # fmt: skip
    assert [interval.value for interval in intervals] == pytest.approx([-0.1, 0.8, 0.75])
    assert np.isnan([interval[1:] for interval in intervals]).all()


@settings(max_examples=300)
@given(st.data())
def test_what_is_known_is_finite_and_all_or_nothing_is_known_of_two_users_or_more(data: st.DataObject) -> None:
    n_users = data.draw(st.integers(2, 5))
    scores = st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=n_users, max_size=n_users)
    row, other, base = (
        np.array(data.draw(st.lists(scores, min_size=n_seeds, max_size=n_seeds))) for n_seeds in (2, 2, 1)
    )
    bootstrap = Bootstrap(100, 0)
    share, above = bootstrap.share(row, other), bootstrap.share_above(row, other, base)
    assert np.isfinite(bootstrap.difference(row, other)).all()
    assert np.isfinite(share).all() == np.isfinite(share).any() == other.any()
    assert np.isfinite(above).all() == np.isfinite(above).any()
