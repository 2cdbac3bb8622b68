"""EASE, the embarrassingly shallow auto-encoder (Steck 2019): one item-item matrix in closed form."""

import os

import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional

from stages.interfaces.codec import Embeddings, History
from stages.interfaces.recommender import Interactions, Recommender
from stages.run.errors import UserError

ITEMS_AT_ONCE = 1000  # of the Gram matrix
PEAK_BYTES = 8  # of memory, per pair of items


class Ease(Recommender):
    """Scores are the user's interactions times the weights; keeps the interactions of a user.

    Parameters
    ----------
    l2 : added to the diagonal of the Gram matrix (the paper's λ)

    Raises
    ------
    UserError
        where the machine's memory is too small for so many items.
    """

    weights: Tensor

    def __init__(self, n_items: int, l2: float) -> None:
        needed, there = PEAK_BYTES * n_items**2, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > 0.9 * there:
            raise UserError(
                f"EASE needs {needed / 1e9:,.0f} GB of memory for {n_items:,} items, and this machine has "
                f"{there / 1e9:,.0f} GB; remove the ease entry under models in params.yaml, or use fewer items"
            )
        super().__init__()
        self.l2 = l2
        self.register_buffer("weights", torch.zeros(n_items, n_items))

    def fit(self, train: csr_array) -> None:
        """Solve for the weights (Steck 2019, equation 8); train : (n_users, n_items) 0/1.

        On the model's device, in place; takes 8 bytes × n_items² at its peak, the matrix and LAPACK's copy (measured:
        4.3 GB for 20,517 items, 14.3 GB for 40,981). float32 is enough, as l2 bounds the condition number: on made-up
        data of ML-20M's size no weight differs by more than 1e-6 from that of float64.

        Raises
        ------
        UserError
            where l2 is too small for float32.
        """
        gram = self.weights
        by_item = csr_array(train.T)
        for start in range(0, len(gram), ITEMS_AT_ONCE):
            block = (by_item[start : start + ITEMS_AT_ONCE] @ train).toarray()
            gram[start : start + ITEMS_AT_ONCE] = torch.from_numpy(block)
        gram.diagonal().add_(self.l2)  # so that it is positive definite
        # Not SciPy's LAPACK: its dpotrf (1.17.1) crashes at ML-20M's 20,108 items.
        _, failed = torch.linalg.cholesky_ex(gram, out=(gram, torch.empty(0, dtype=torch.int32, device=gram.device)))
        if failed:
            raise UserError("EASE's Gram matrix is not positive definite in float32; raise l2 of ease in params.yaml")
        torch.cholesky_inverse(gram, out=gram)
        gram.div_(-gram.diagonal().clone())
        gram.fill_diagonal_(0.0)

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
