"""Items by popularity: the same for everybody, a check of the evaluator."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.codec import Embeddings, Float32
from stages.interfaces.recommender import Recommender


class Popularity(Recommender):
    """Ranks items by their number of interactions in train; ties by their order. Keeps nothing of a user."""

    scores: Tensor

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros(n_items))

    def fit(self, train: csr_array) -> None:
        """Count; train : (n_users, n_items) 0/1."""
        counts = train.sum(axis=0)
        ranking = np.argsort(-counts, kind="stable")
        scores = np.empty(len(counts), dtype=np.float32)
        scores[ranking] = -np.arange(len(counts))  # the rank, not the count: no ties for top-k to break as it likes
        self.scores = torch.from_numpy(scores)

    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, 0): nothing."""
        return np.empty((fold_in.shape[0], 0), dtype=np.float32)

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: minus the rank."""
        return self.scores.repeat(embeddings.shape[0], 1)

    def codec(self) -> Float32:
        """Zero bytes."""
        return Float32()
