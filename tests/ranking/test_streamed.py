"""The items with the best inner products, block by block, against a full sort of the scores."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, random_array

from stages.ranking import streamed
from stages.ranking.streamed import BestItems

N_USERS, WIDTH = 150, 20


def drawn(n_items: int, seed: int = 0) -> tuple[np.ndarray, torch.Tensor, torch.Tensor, csr_array]:
    """Users, vectors and biases of items, and what users have seen."""
    draws = np.random.default_rng(seed)
    users = draws.standard_normal((N_USERS, WIDTH), np.float32)
    vectors = torch.from_numpy(draws.standard_normal((n_items, WIDTH), np.float32))
    seen = csr_array(random_array((N_USERS, n_items), density=0.1, rng=draws))
    return users, vectors, torch.from_numpy(draws.standard_normal(n_items, np.float32)), seen


def exact_scores(users: np.ndarray, vectors: torch.Tensor, biases: torch.Tensor, seen: csr_array) -> np.ndarray:
    """In float64, with −inf for what is seen."""
    scores: np.ndarray = users.astype(np.float64) @ vectors.double().numpy().T + biases.double().numpy()
    scores[seen.nonzero()] = -np.inf
    return scores


@pytest.mark.parametrize("n_items", [1, 15, 16, 511, 512, 513, 2560, 2561, 5000])
@pytest.mark.parametrize("k", [1, 20, 100])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_they_are_those_of_a_full_sort(n_items: int, k: int, bfloat16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "is_faster_in_bfloat16", lambda: bfloat16)
    users, vectors, biases, seen = drawn(n_items)
    scores, k = exact_scores(users, vectors, biases, seen), min(k, n_items)
    best = BestItems(vectors, biases).top(users, seen, k)
    np.testing.assert_allclose(np.take_along_axis(scores, best, 1), -np.sort(-scores, 1)[:, :k], rtol=0, atol=1e-5)
    assert {len(set(items)) for items in best.tolist()} == {k}


@pytest.mark.parametrize("bfloat16", [False, True])
def test_where_more_items_are_as_good_as_there_is_room_for_all_are_scored(
    bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "is_faster_in_bfloat16", lambda: bfloat16)
    users, _, _, seen = drawn(3000)
    vectors, biases = torch.ones(3000, WIDTH), torch.linspace(0, 1e-5, 3000)
    best = BestItems(vectors, torch.zeros(3000)).top(users, seen, 10)
    assert not (seen.toarray()[np.arange(N_USERS)[:, None], best]).any()
    assert {len(set(items)) for items in best.tolist()} == {10}
    users[:] = 0  # so that no rounding is left
    best = BestItems(vectors, biases).top(users, csr_array((N_USERS, 3000)), 10)
    assert best.tolist() == [list(range(2999, 2989, -1))] * N_USERS


@pytest.mark.parametrize("size", [1e30, 1e-25])
def test_scores_may_overflow_or_almost_vanish(size: float) -> None:
    users, vectors, _, seen = drawn(3000)
    users, vectors = np.abs(users) * np.float32(size), vectors.abs() * size
    best = BestItems(vectors, torch.zeros(3000)).top(users, seen, 20)
    assert {len(set(items)) for items in best.tolist()} == {20}
    assert not seen.toarray()[np.arange(N_USERS)[:, None], best].any()


def test_what_is_seen_comes_last() -> None:
    users, vectors, biases, _ = drawn(30)
    likes = np.ones((N_USERS, 30), bool)
    likes[:, [3, 17]] = False
    best = BestItems(vectors, biases).top(users, csr_array(likes), 30)
    assert {tuple(sorted(items)) for items in best[:, :2].tolist()} == {(3, 17)}
    assert {tuple(sorted(items)) for items in best.tolist()} == {tuple(range(30))}


def test_the_number_of_threads_changes_nothing_and_stays() -> None:
    users, vectors, biases, seen = drawn(3000)
    finder, before = BestItems(vectors, biases), torch.get_num_threads()
    found = {}
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        found[n_threads] = finder.top(users, seen, 50)
        assert torch.get_num_threads() == n_threads
    torch.set_num_threads(before)
    np.testing.assert_array_equal(found[1], found[2])
