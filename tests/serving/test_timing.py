"""Times are medians of calls that count, and made-up items are like those there are."""

import numpy as np
import pytest

from stages.serving import timing
from stages.serving.scoring.dense import Dense
from stages.serving.timing import Users, overlap, seconds_of, with_more_items
from tests.serving.scoring.packages import drawn_codes, drawn_package


def test_the_first_call_does_not_count_and_one_does_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    assert len(seconds_of(calls.append, most=4)) == 4
    assert calls == [0, 0, 1, 2, 3]
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    assert len(seconds_of(calls.append, most=4)) == 1


def test_more_items_keep_those_there_are_and_are_spread_alike() -> None:
    package = drawn_package(400)
    more = with_more_items(package, 3000, np.random.default_rng(0)).items
    assert more.weight.dtype == more.bias.dtype == np.float32
    assert len(more.ids) == len(more.weight) == len(more.bias) == len(more.interactions) == 3000
    np.testing.assert_array_equal(more.weight[:400], package.items.weight)
    np.testing.assert_allclose(more.weight[400:].std(0), package.items.weight.std(0), rtol=0.1)
    assert len(np.unique(more.weight, axis=0)) == 3000


def test_overlap_is_the_share_of_the_right_list_that_is_found() -> None:
    package, other = drawn_package(400), drawn_package(400, seed=5)
    codes = drawn_codes(package, 50)
    users = Users(np.arange(50), codes, [np.arange(user % 7) for user in range(50)])
    assert overlap(Dense(package), Dense(package), users, 400) == 1
    assert 0.1 < overlap(Dense(other), Dense(package), users, 400) < 0.6
