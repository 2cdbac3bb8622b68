"""EASE, the embarrassingly shallow auto-encoder (Steck 2019): one item-item matrix in closed form."""

import torch
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

        In float64, on the CPU; takes about 30 bytes × n_items² at its peak (12 GB for ML-20M's 20,108 items).
        """
        gram = torch.from_numpy((train.T @ train).toarray()).double()
        gram.diagonal().add_(self.l2)  # so that it is positive definite
        # Not SciPy's LAPACK: its dpotrf (1.17.1) crashes at ML-20M's 20,108 items.
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        weights = inverse.div_(-inverse.diagonal().clone())
        weights.fill_diagonal_(0.0)
        self.weights = weights.float()

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
