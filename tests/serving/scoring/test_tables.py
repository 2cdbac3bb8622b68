"""Tables of int8: sums that never overflow, a shortlist that misses nothing, the same result in any company."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.serving.package.package import Package
from stages.serving.scoring import kernels
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.tables import LOWEST, Tables, int8_tables
from tests.serving.scoring.packages import drawn_codes, drawn_package, exact_scores

PACKAGE = drawn_package(5000, n_bytes=20)
CODES = drawn_codes(PACKAGE, 200)


def check_sums_fit(package: Package) -> None:
    """Whether the largest sum of any codes is within int16, and every table's numbers are used as far as they go."""
    tables, _, factors, base, _ = int8_tables(package)
    n_items = len(package.items.bias)
    of_levels = np.abs(tables.astype(np.int64)).max(1) * factors[:, None].astype(np.int64)
    reached = of_levels.sum(0) + np.abs(base.astype(np.int64))
    assert reached[:n_items].max() <= 32767
    assert (base[n_items:] == LOWEST).all()
    assert (tables[:, :, n_items:] == 0).all()
    assert (factors > 0).all()
    assert np.abs(tables.astype(int)).max() <= 127


def changed(package: Package, vectors: float = 1, weight: float = 1, bias: float = 1) -> Package:
    """With parts multiplied."""
    quantizer = replace(package.quantizer, codebooks=package.quantizer.codebooks * np.float32(vectors))
    items = replace(
        package.items, weight=package.items.weight * np.float32(weight), bias=package.items.bias * np.float32(bias)
    )
    return replace(package, quantizer=quantizer, items=items)


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.sampled_from([0, 1e-20, 1e-3, 1, 1e3, 1e15])] * 3), st.integers(1, 200), st.integers(1, 30))
def test_no_sum_overflows_at_any_scale(scales: tuple[float, float, float], n_items: int, n_bytes: int) -> None:
    check_sums_fit(changed(drawn_package(n_items, n_bytes), *scales))


def test_no_sum_overflows_where_one_item_or_code_is_far_out() -> None:
    package = drawn_package(500, n_bytes=20)
    package.items.weight[7] *= 1000
    package.items.bias[9] = 1e6
    check_sums_fit(package)
    package.quantizer.codebooks[3, 5] *= 1000
    check_sums_fit(package)
    package.quantizer.codebooks[:, 0] = np.abs(package.quantizer.codebooks[0, 0]) * 50  # all levels add up
    check_sums_fit(package)


def test_each_level_uses_more_than_half_of_int8() -> None:
    tables, _, factors, _, _ = int8_tables(PACKAGE)
    assert (np.abs(tables.astype(int)).max((1, 2)) >= 64).all()
    assert factors.max() > 10  # each level has its own scale


def test_levels_that_add_next_to_nothing_have_no_table() -> None:
    levels = int8_tables(PACKAGE).levels
    assert levels.tolist() == list(range(len(levels)))  # residuals shrink
    assert 5 < len(levels) < 20


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("n", [1, 10, 100, 1000])
def test_nothing_is_missed(compiled: bool, n: int) -> None:
    top, scores = Tables(PACKAGE, compiled).top(CODES, n), exact_scores(PACKAGE, CODES)
    best = np.argsort(-scores, axis=1)[:, :n]
    found = np.isin(np.arange(len(CODES))[:, None] * 5000 + best, np.arange(len(CODES))[:, None] * 5000 + top.items)
    assert found.mean() >= 0.9999


def test_nothing_is_missed_where_scores_are_nearly_the_same() -> None:
    """As of a model that has hardly learnt: one code is far out, and so the int8 scale is too coarse for the others."""
    codebooks = PACKAGE.quantizer.codebooks * np.float32(0.01)
    codebooks[:2, 255] *= 1000
    package = replace(PACKAGE, quantizer=replace(PACKAGE.quantizer, codebooks=codebooks))
    codes = np.minimum(CODES, 254)
    for compiled in (True, False):
        top, scores = Tables(package, compiled).top(codes, 100), exact_scores(package, codes)
        best = np.argsort(-scores, axis=1)[:, :100]
        assert np.mean([np.isin(best[user], top.items[user]).mean() for user in range(len(codes))]) >= 0.999


def test_the_same_bytes_alone_in_company_and_by_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, seen = Tables(PACKAGE), [np.arange(user) for user in range(200)]
    together = scorer.top(CODES, 100, seen)
    alone = [scorer.top(CODES[user : user + 1], 100, seen[user : user + 1]) for user in range(200)]
    np.testing.assert_array_equal(together.items, np.concatenate([top.items for top in alone]))
    np.testing.assert_array_equal(together.scores, np.concatenate([top.scores for top in alone]))
    for threads in (1, 3, 16):
        monkeypatch.setattr(kernels, "N_THREADS", threads)
        top = scorer.top(CODES, 100, seen)
        np.testing.assert_array_equal(together.items, top.items)
        np.testing.assert_array_equal(together.scores, top.scores)


def test_many_callers_at_once() -> None:
    scorer = Tables(PACKAGE)
    expected = scorer.top(CODES, 50)
    with ThreadPoolExecutor(8) as threads:
        for top in threads.map(lambda _: scorer.top(CODES, 50), range(16)):
            np.testing.assert_array_equal(top.items, expected.items)


def test_codes_as_they_come_from_a_store() -> None:
    scorer = Tables(PACKAGE)
    expected = scorer.top(CODES[:2], 10).items
    read_only = np.frombuffer(CODES[:2].tobytes(), np.uint8).reshape(2, 20)
    np.testing.assert_array_equal(scorer.top(read_only, 10).items, expected)
    np.testing.assert_array_equal(scorer.top(np.asfortranarray(CODES[:2]), 10).items, expected)
    np.testing.assert_array_equal(scorer.top(CODES[::199], 10).items[0], expected[0])


def test_as_exact_where_all_are_scored() -> None:
    """A shortlist of all items is the dense way."""
    top, dense = Tables(PACKAGE).top(CODES[:5], 5000), Dense(PACKAGE).top(CODES[:5], 5000)
    np.testing.assert_allclose(top.scores, dense.scores, atol=1e-4)


def test_where_the_compiled_code_cannot_be_kept() -> None:
    code = """
from stages.serving.scoring.tables import Tables
from tests.serving.scoring.packages import drawn_codes, drawn_package
package = drawn_package(300)
print(Tables(package).compiled, Tables(package).top(drawn_codes(package, 1), 1).items.shape)
"""
    locator = "numba.core.caching.IPythonCacheLocator"  # finds no place for a module, as where no folder can be written
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": locator}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "True (1, 1)\n"
