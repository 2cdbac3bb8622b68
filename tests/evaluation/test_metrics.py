"""Metrics against a naive reading of their definitions, and what must hold for any ranking."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.metrics.f1 import f1
from stages.evaluation.metrics.precision import precision
from stages.evaluation.metrics.recall import recall
from stages.ranking.ndcg import ndcg

HITS = st.lists(st.booleans(), min_size=1, max_size=60)


def naive_ndcg(hits: list[bool], n_held_out: int, k: int) -> float:
    gained = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], start=1) if hit)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(n_held_out, k) + 1))
    return gained / best


def naive_recall(hits: list[bool], n_held_out: int, k: int) -> float:
    return sum(hits[:k]) / min(k, n_held_out)


def naive_precision(hits: list[bool], n_held_out: int, k: int) -> float:  # noqa: ARG001
    return sum(hits[:k]) / k


def naive_f1(hits: list[bool], n_held_out: int, k: int) -> float:
    n_hits = sum(hits[:k])
    if not n_hits:
        return 0.0
    precision, recall = n_hits / k, n_hits / n_held_out
    return 2 * precision * recall / (precision + recall)


def of_one_user(metric: object, hits: list[bool], n_held_out: int, k: int) -> float:
    assert callable(metric)
    value: float = metric(torch.tensor([hits]), torch.tensor([n_held_out]), k).item()
    return value


@pytest.mark.parametrize(
    ("metric", "naive"), [(ndcg, naive_ndcg), (recall, naive_recall), (precision, naive_precision), (f1, naive_f1)]
)
@given(hits=HITS, missed=st.integers(0, 20), k=st.integers(1, 70))
def test_metric_is_its_definition(metric: object, naive: object, hits: list[bool], missed: int, k: int) -> None:
    assert callable(naive)
    n_held_out = max(1, sum(hits) + missed)
    assert of_one_user(metric, hits, n_held_out, k) == pytest.approx(naive(hits, n_held_out, k), abs=1e-12)


@pytest.mark.parametrize("metric", [ndcg, recall, precision, f1])
@given(hits=HITS, missed=st.integers(0, 20), k=st.integers(1, 70))
def test_metric_is_between_zero_and_one(metric: object, hits: list[bool], missed: int, k: int) -> None:
    assert 0 <= of_one_user(metric, hits, max(1, sum(hits) + missed), k) <= 1 + 1e-12


@pytest.mark.parametrize("metric", [ndcg, recall])
@given(n_held_out=st.integers(1, 60), k=st.integers(1, 70))
def test_a_perfect_ranking_gives_one(metric: object, n_held_out: int, k: int) -> None:
    hits = [rank < n_held_out for rank in range(60)]
    assert of_one_user(metric, hits, n_held_out, k) == pytest.approx(1)


@given(hits=HITS.filter(lambda hits: any(hits) and not all(hits)))
def test_ndcg_rises_when_a_hit_moves_up(hits: list[bool]) -> None:
    first_hits = sorted(hits, reverse=True)
    if first_hits != hits:
        assert of_one_user(ndcg, first_hits, sum(hits), 60) > of_one_user(ndcg, hits, sum(hits), 60)


@given(hits=HITS, seed=st.integers(0, 100))
def test_recall_does_not_see_the_order_within_k(hits: list[bool], seed: int) -> None:
    order = torch.randperm(len(hits), generator=torch.Generator().manual_seed(seed))
    shuffled = [hits[position] for position in order]
    n_held_out = max(1, sum(hits))
    assert of_one_user(recall, shuffled, n_held_out, 60) == of_one_user(recall, hits, n_held_out, 60)
