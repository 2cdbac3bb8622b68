"""The evaluation against a ten-line oracle, and on popularity, whose answer is known by heart."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from stages.interactions.protocol.strong_generalization import HeldOutUsers
from stages.interfaces.codec import Float32, History, stored_bytes
from stages.interfaces.recommender import Recommender
from stages.ranking.evaluation import METRICS, encode_users, evaluate
from stages.references.ease import Ease
from stages.references.popularity import Popularity
from stages.statistics.groups import group_column, quarters_of_interactions


def random_users(n_users: int, n_items: int, seed: int) -> HeldOutUsers:
    """Users with a few items shown and a few held out, some with none held out."""
    generator = np.random.default_rng(seed)
    seen = generator.random((n_users, n_items)) < 0.1
    is_held_out = generator.random((n_users, n_items)) < 0.3
    is_held_out[::7] = False
    return HeldOutUsers(*(csr_array((seen & part).astype(np.float32)) for part in (~is_held_out, is_held_out)))


def ease(train: csr_array) -> Recommender:
    model = Ease(train.shape[1], l2=5.0)
    model.fit(train)
    return model


def oracle(scores: np.ndarray, fold_in: np.ndarray, held_out: np.ndarray) -> dict[str, float]:
    """One user's metrics, straight from the protocol."""
    ranked = [item for item in np.argsort(-scores) if not fold_in[item]]
    hits = [bool(held_out[item]) for item in ranked[:100]]
    n = int(held_out.sum())
    best = sum(1 / math.log2(rank + 2) for rank in range(min(n, 100)))
    return {
        "ndcg@100": sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits)) / best,
        "recall@20": sum(hits[:20]) / min(n, 20),
        "recall@50": sum(hits[:50]) / min(n, 50),
        "precision@20": sum(hits[:20]) / 20,
        "f1@20": 2 * sum(hits[:20]) / (20 + n),
    }


@pytest.mark.parametrize("n_items", [60, 300])  # fewer and more than the 100 ranks
def test_evaluation_is_the_protocol_user_by_user(n_items: int) -> None:
    users = random_users(50, n_items, seed=1)
    model = ease(random_users(200, n_items, seed=2).fold_in)
    scores = model.score(users.fold_in).numpy()
    shown, wanted = users.fold_in.toarray(), users.held_out.toarray()
    expected = pd.DataFrame(
        [oracle(scores[user], shown[user], wanted[user]) for user in range(50) if wanted[user].any()]
    )
    found = evaluate(model, History(), users, batch_size=500)
    pd.testing.assert_frame_equal(found[list(METRICS)], expected)


def test_users_with_nothing_held_out_are_left_out() -> None:
    users = random_users(50, 300, seed=1)
    found = evaluate(ease(users.fold_in), History(), users, batch_size=500)
    assert found["user"].tolist() == [user for user in range(50) if users.held_out[[user]].nnz]
    assert found["held_out"].tolist() == [users.held_out[[user]].nnz for user in found["user"]]


def test_batches_change_nothing() -> None:
    users = random_users(50, 300, seed=1)
    model = ease(users.fold_in)
    pd.testing.assert_frame_equal(
        evaluate(model, History(), users, batch_size=7), evaluate(model, History(), users, batch_size=50)
    )


@pytest.mark.parametrize("n_items", [60, 300])
def test_groups_of_items_count_only_their_held_out_items(n_items: int) -> None:
    users = random_users(50, n_items, seed=1)
    model = ease(random_users(200, n_items, seed=2).fold_in)
    groups = np.arange(n_items) % 3
    scores = model.score(users.fold_in).numpy()
    shown, wanted = users.fold_in.toarray(), users.held_out.toarray()
    found = evaluate(model, History(), users, 500, groups)
    for group in range(3):
        part = np.where(groups == group, wanted, 0)
        expected = [
            oracle(scores[user], shown[user], part[user])["ndcg@100"] if part[user].any() else math.nan
            for user in found["user"]
        ]
        np.testing.assert_allclose(found[group_column(group)], expected)


def test_quarters_have_a_quarter_of_the_interactions_each() -> None:
    """Items with 6, 3, 3, 4, 4 and four times 1 of 24 interactions: 6, then 4 and 4, then …"""
    counts = [1, 3, 6, 1, 4, 1, 4, 3, 1]
    train = csr_array(np.array([[row < count for count in counts] for row in range(6)], dtype=np.float32))
    assert quarters_of_interactions(train).tolist() == [3, 2, 0, 3, 1, 3, 1, 2, 3]


def test_popularity_by_heart() -> None:
    """Items 0, 1, 2 in that order; the user knows 0 and wants 2, which so comes second."""
    model = Popularity(3)
    model.fit(csr_array(np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=np.float32)))
    users = HeldOutUsers(
        csr_array(np.array([[1, 0, 0]], dtype=np.float32)), csr_array(np.array([[0, 0, 1]], dtype=np.float32))
    )
    found = evaluate(model, Float32(), users, batch_size=1).iloc[0]
    assert found["ndcg@100"] == pytest.approx(1 / math.log2(3))
    assert found["recall@20"] == 1


def test_users_are_encoded_all_and_their_bytes_measured() -> None:
    users = random_users(50, 300, seed=1)
    history = encode_users(ease(users.fold_in), History(), users.fold_in, batch_size=7)
    assert sum(map(stored_bytes, history)) == 4 * users.fold_in.nnz
    nothing = [np.asarray(codes) for codes in encode_users(Popularity(300), Float32(), users.fold_in, batch_size=7)]
    assert np.concatenate(nothing).shape == (50, 0)
    assert sum(map(stored_bytes, nothing)) == 0
