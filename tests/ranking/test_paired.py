"""Paired differences."""

import pandas as pd
import pytest

from stages.ranking.paired import compare


def test_what_users_share_cancels() -> None:
    easy_and_hard_users = pd.Series([0.9, 0.1, 0.5, 0.7])
    assert compare(easy_and_hard_users + 0.05, easy_and_hard_users) == pytest.approx((0.05, 0.0))


def test_standard_error_is_that_of_the_mean_difference() -> None:
    difference = compare(pd.Series([0.4, 0.2, 0.6]), pd.Series([0.3, 0.2, 0.4]))
    assert difference == pytest.approx((0.1, 0.1 / 3**0.5))
