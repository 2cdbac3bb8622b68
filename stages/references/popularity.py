"""Items ranked by popularity, the same for all users: a check of the evaluator."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.config.model import PopularitySettings
from stages.interfaces.codec import Embeddings, Float32
from stages.interfaces.matrix_files import interactions_of_items
from stages.references.reference import Reference


class Popularity(Reference):
    """Ranks items by their number of train interactions, ties by item number. It stores nothing of a user."""

    scores: Tensor

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self.register_buffer("scores", torch.zeros(n_items))

    def fit(self, train: csr_array) -> None:
        """Count the interactions of each item; train : (n_users, n_items) 0/1."""
        counts = interactions_of_items(train)
        ranking = np.argsort(-counts, kind="stable")
        scores = np.empty(len(counts), dtype=np.float32)
        scores[ranking] = -np.arange(len(counts))  # ranks instead of counts, so that top-k has no ties
        self.scores = torch.from_numpy(scores)

    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, 0) float32: empty embeddings."""
        return np.empty((fold_in.shape[0], 0), dtype=np.float32)

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: minus the popularity rank of each item."""
        return self.scores.repeat(embeddings.shape[0], 1)

    def codec(self) -> Float32:
        """Float32 of empty embeddings, which takes 0 bytes."""
        return Float32()


def build(settings: PopularitySettings, n_items: int) -> Popularity:  # noqa: ARG001 (it has no settings)
    """Popularity without counts, for `n_items` items."""
    return Popularity(n_items)
