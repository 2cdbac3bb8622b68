"""EASE, the embarrassingly shallow auto-encoder (Steck 2019): one item-item matrix in closed form."""

import numpy as np
import torch
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional

from stages.models.recommender import Interactions, Recommender
from stages.quantizers.codec import Embeddings, History


class Ease(Recommender):
    """Scores are the user's interactions times the weights; keeps the interactions of a user.

    Parameters
    ----------
    l2 : added to the diagonal of the Gram matrix (the paper's λ)
    """

    weights: Tensor

    def __init__(self, n_items: int, l2: float) -> None:
        super().__init__()
        self.l2 = l2
        self.register_buffer("weights", torch.zeros(n_items, n_items))

    def fit(self, train: csr_array) -> None:
        """Solve for the weights (Steck 2019, equation 8); train : (n_users, n_items) 0/1.

        Needs 8 bytes × n_items² for the inverse, and as much again while the Gram matrix is made dense.
        """
        gram = np.asfortranarray((train.T @ train).toarray(), dtype=np.float64)
        gram[np.diag_indices_from(gram)] += self.l2
        factor, failed = dpotrf(gram, lower=True, overwrite_a=True)
        if not failed:
            inverse, failed = dpotri(factor, lower=True, overwrite_c=True)
        if failed:
            raise ArithmeticError("the Gram matrix is not positive definite")
        weights = np.tril(inverse).astype(np.float32)
        weights += np.tril(weights, -1).T
        diagonal = weights.diagonal().copy()
        weights /= -diagonal
        np.fill_diagonal(weights, 0.0)
        self.weights = torch.from_numpy(weights)

    def embed(self, fold_in: csr_array) -> csr_array:
        """The interactions."""
        return fold_in

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: the sum of the weights' rows of the user's items."""
        history = Interactions(csr_array(embeddings), self.weights.device).all()
        return functional.embedding_bag(history.items, self.weights, history.offsets, mode="sum")

    def codec(self) -> History:
        """Item numbers."""
        return History()
