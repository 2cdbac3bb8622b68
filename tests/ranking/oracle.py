"""Made-up users, and the metrics of one of them in ten naive lines."""

import math

import numpy as np
from scipy.sparse import csr_array

from stages.interfaces.recommender import Recommender
from stages.interfaces.split import HeldOutUsers
from stages.references.ease import Ease


def random_users(n_users: int, n_items: int, seed: int) -> HeldOutUsers:
    """Users with a few items shown and a few held out, some with none held out."""
    generator = np.random.default_rng(seed)
    seen = generator.random((n_users, n_items)) < 0.1
    is_held_out = generator.random((n_users, n_items)) < 0.3
    is_held_out[::7] = False
    fold_in, held_out = (csr_array((seen & chosen).astype(np.float32)) for chosen in (~is_held_out, is_held_out))
    return HeldOutUsers(fold_in, held_out)


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
