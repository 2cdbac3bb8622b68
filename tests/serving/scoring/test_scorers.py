"""Every way of scoring ranks as the plainest one does, and refuses the same."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.run.errors import UserError
from stages.serving.package.package import Package
from stages.serving.scoring.approximate import Approximate
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.scorer import Scorer
from stages.serving.scoring.tables import FloatTables, Tables
from tests.serving.scoring.packages import check_ranked, drawn_codes, drawn_package, exact_scores

WAYS: dict[str, Callable[[Package], Scorer]] = {
    "dense": Dense,
    "tables": Tables,
    "tables without Numba": partial(Tables, compiled=False),
    "tables in float32": FloatTables,
    "approximate": Approximate,  # of few items, all are scored
}
PACKAGES = {
    "residual": drawn_package(300),
    "prefix": drawn_package(300, n_bytes=2, codebooks=5),
    "product": drawn_package(300, kind="product"),
    "rotated product": drawn_package(300, kind="product", rotated=True),
    "residual in another metric": drawn_package(300, rotated=True),
    "few items": drawn_package(7),
    "one item, one byte": drawn_package(1, n_bytes=1),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[Package], Scorer]:
    return WAYS[request.param]


@pytest.mark.parametrize("name", PACKAGES)
def test_ranks_as_the_plainest_way(way: Callable[[Package], Scorer], name: str) -> None:
    package = PACKAGES[name]
    n_items = len(package.items.bias)
    codes = drawn_codes(package, 20)
    seen = [np.random.default_rng(user).integers(0, n_items, user) for user in range(20)]
    for n in {1, min(10, n_items), n_items}:
        check_ranked(way(package).top(codes, n), exact_scores(package, codes), n, None)
        check_ranked(way(package).top(codes, n, seen), exact_scores(package, codes), n, seen)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_shape_and_any_seen_items(data: st.DataObject) -> None:
    n_items = data.draw(st.integers(1, 80), "items")
    package = drawn_package(n_items, data.draw(st.integers(1, 6), "bytes"))
    codes = drawn_codes(package, data.draw(st.integers(0, 4), "users"))
    column = st.integers(0, n_items - 1)
    seen = [np.array(data.draw(st.lists(column, max_size=2 * n_items), "seen"), int) for _ in codes]
    if len(seen) and data.draw(st.booleans(), "all seen"):
        seen[0] = np.arange(n_items)
    n = data.draw(st.integers(1, n_items), "n")
    for way in WAYS.values():
        check_ranked(way(package).top(codes, n, seen), exact_scores(package, codes), n, seen)


@pytest.mark.parametrize("way", [WAYS[name] for name in WAYS if name != "approximate"])
def test_ties_go_by_column(way: Callable[[Package], Scorer]) -> None:
    package = drawn_package(4000)
    package.items.weight[:] = 0
    package.items.bias[:] = np.arange(4000) % 3 == 1
    top = way(package).top(drawn_codes(package, 3), 50)
    assert top.items.tolist() == [list(range(1, 150, 3))] * 3
    top = way(package).top(drawn_codes(package, 1), 4000)
    assert top.items[0].tolist() == sorted(range(4000), key=lambda item: (item % 3 != 1, item))


def test_the_same_alone_as_in_a_batch_and_again(way: Callable[[Package], Scorer]) -> None:
    package = PACKAGES["residual"]
    codes = drawn_codes(package, 50)
    scorer = way(package)
    together = scorer.top(codes, 30)
    again = way(package).top(codes, 30)
    np.testing.assert_array_equal(together.items, again.items)
    np.testing.assert_array_equal(together.scores, again.scores)
    alone = [scorer.top(codes[user : user + 1], 30) for user in range(50)]
    np.testing.assert_allclose(together.scores, np.concatenate([top.scores for top in alone]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 4), np.uint8), r"codes of uint8 \(2 × 4\) where the package's are uint8 \(users × 5 bytes\)"),
        (np.zeros((2, 5), np.int64), r"codes of int64 \(2 × 5\) where the package's are uint8 \(users × 5 bytes\)"),
        (np.zeros(5, np.uint8), r"codes of uint8 \(5\) where the package's are uint8 \(users × 5 bytes\)"),
    ],
)
def test_codes_of_another_form(way: Callable[[Package], Scorer], codes: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        way(PACKAGES["residual"]).top(codes, 3)


@pytest.mark.parametrize("n", [0, 301])
def test_more_items_than_there_are_or_none(way: Callable[[Package], Scorer], n: int) -> None:
    with pytest.raises(UserError, match=f"a list of {n} items where the package has 300: ask for 1 to 300"):
        way(PACKAGES["residual"]).top(drawn_codes(PACKAGES["residual"], 1), n)


@pytest.mark.parametrize("column", [-1, 300])
def test_unknown_item_to_leave_out(way: Callable[[Package], Scorer], column: int) -> None:
    with pytest.raises(UserError, match=f"item {column} is to be left out, but the package's columns are 0 to 299"):
        way(PACKAGES["residual"]).top(drawn_codes(PACKAGES["residual"], 1), 3, [np.array([5, column])])


def test_items_to_leave_out_of_other_users(way: Callable[[Package], Scorer]) -> None:
    with pytest.raises(UserError, match="items to leave out of 1 users, but codes of 2"):
        way(PACKAGES["residual"]).top(drawn_codes(PACKAGES["residual"], 2), 3, [np.array([5])])
