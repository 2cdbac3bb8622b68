"""What is fitted, and that it is measured on vectors that no fit saw."""

import numpy as np
import pytest

from stages.evaluation.cost import variance_lost
from stages.interfaces.codec import Float32
from stages.run.errors import UserError
from stages.vectors import compression
from stages.vectors.compression import Yardstick, candidates, chunks, split_rows

DRAWS = np.random.default_rng(0)
VECTORS = DRAWS.normal(size=(600, 8)).astype(np.float32)
ITEMS = DRAWS.normal(size=(300, 8)).astype(np.float32)


@pytest.mark.parametrize("n", [300, 5_000, 200_000])
def test_what_is_fitted_on_is_never_measured(n: int) -> None:
    fitted, unseen = split_rows(n, None)
    assert not np.intersect1d(fitted, unseen).size
    assert len(fitted) == min(n - n // 10, compression.MOST_FITTED)
    assert len(unseen) == min(n // 10, compression.MOST_UNSEEN)
    for rows in (fitted, unseen):
        assert (np.diff(rows) > 0).all()
        assert 0 <= rows.min() < rows.max() < n
    for again, rows in zip(split_rows(n, None), (fitted, unseen), strict=True):
        np.testing.assert_array_equal(again, rows)


def test_users_with_held_out_pairs_are_those_that_are_measured() -> None:
    assert set(split_rows(5_000, np.arange(100, 120))[1]) == set(range(100, 120))
    assert set(split_rows(1_000, np.arange(500))[1]) < set(range(500))


def test_too_few_vectors_are_said() -> None:
    assert len(split_rows(285, None)[0]) == 257
    with pytest.raises(UserError, match="256 codes need as many vectors, besides a tenth to measure on; there are 280"):
        split_rows(280, None)


def test_vectors_that_are_all_the_same_are_said() -> None:
    with pytest.raises(UserError, match="all vectors are the same"):
        next(candidates(np.ones((300, 4), np.float32), 2))


def test_candidates_are_of_the_bytes_and_of_half_and_twice_as_many() -> None:
    found = list(candidates(VECTORS, 4))
    assert [candidate.name for candidate in found] == [
        *("pq-2x4", "opq-2x4", "rq-2b"), *("pq-4x2", "opq-4x2", "rq-4b"), *("pq-8x1", "opq-8x1"),
    ]  # fmt: skip
    for candidate in found:
        codes = candidate.codec.encode(VECTORS)
        assert f"-{codes.shape[1]}" in candidate.name
        assert candidate.codec.bytes_per_vector == codes.shape[1]


@pytest.mark.parametrize(
    ("width", "most", "expected"), [(128, 20, 16), (200, 20, 20), (7, 6, 1), (7, 20, 7), (12, 5, 4)]
)
def test_a_width_is_cut_into_as_many_chunks_as_divide_it(width: int, most: int, expected: int) -> None:
    assert chunks(width, most) == expected


def test_where_chunks_do_not_divide_the_width_product_codes_are_shorter() -> None:
    assert [candidate.name for candidate in candidates(VECTORS[:, :7], 3)] == ["pq-1x7", "opq-1x7", "rq-1b", "rq-3b"]


def test_overlap_is_the_share_of_the_exact_top_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MOST_RANKED", 50)
    (codec,) = (candidate.codec for candidate in candidates(VECTORS, 2) if candidate.name == "rq-2b")
    unseen = DRAWS.normal(size=(70, 8)).astype(np.float32)
    decoded = np.asarray(codec.decode(codec.encode(unseen)))
    tops = [np.argsort(-(vectors[:50] @ ITEMS.T), axis=1)[:, :100] for vectors in (unseen, decoded)]
    naive = np.mean([len(set(exact) & set(coded)) / 100 for exact, coded in zip(*tops, strict=True)])
    yardstick = Yardstick(unseen, ITEMS, None)
    measured = yardstick.measure(codec)
    assert measured.overlap == pytest.approx(naive, abs=1e-3)
    assert measured.variance_lost == variance_lost(unseen, decoded)
    assert measured.ndcg is None
    assert yardstick.measure(Float32()).overlap == 1.0
