"""Approximate scoring finds nearly all of the best, and always as many as were asked for."""

import numpy as np
import pytest

from stages.serving.package.package import Package
from stages.serving.scoring.approximate import Approximate
from tests.serving.scoring.packages import drawn_codes, drawn_package, exact_scores


@pytest.fixture(scope="module")
def package() -> Package:
    """Of items in groups, as the items of a catalogue are: similar ones around each of 300."""
    drawn, draws = drawn_package(20_000), np.random.default_rng(2)
    centres = draws.normal(size=(300, 20))
    drawn.items.weight[:] = centres[draws.integers(0, 300, 20_000)] + draws.normal(0, 0.2, (20_000, 20))
    return drawn


def test_recall(package: Package) -> None:
    codes = drawn_codes(package, 100)
    top, scores = Approximate(package).top(codes, 100), exact_scores(package, codes)
    best = np.argsort(-scores, axis=1)[:, :100]
    assert np.mean([np.isin(best[user], top.items[user]).mean() for user in range(100)]) >= 0.95
    found = np.take_along_axis(scores, top.items, 1)
    np.testing.assert_allclose(top.scores, found, rtol=0, atol=1e-3)  # what is found is scored exactly
    assert (np.diff(top.scores) <= 0).all()


def test_as_many_as_are_left_where_the_probed_lists_hold_too_few(package: Package) -> None:
    codes, scorer = drawn_codes(package, 3), Approximate(package)
    seen = [np.arange(0), np.arange(19_990), np.arange(20_000)]
    top = scorer.top(codes, 6000, seen)
    assert (top.items >= 0).sum(1).tolist() == [6000, 10, 0]
    assert sorted(top.items[1, :10]) == list(range(19_990, 20_000))
    assert len(set(scorer.top(codes[:1], 20_000).items[0])) == 20_000


def test_the_same_index_each_time(package: Package) -> None:
    codes = drawn_codes(package, 50)
    first, again = Approximate(package).top(codes, 100), Approximate(package).top(codes, 100)
    np.testing.assert_array_equal(first.items, again.items)
    np.testing.assert_array_equal(first.scores, again.scores)
