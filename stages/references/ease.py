"""EASE, the embarrassingly shallow auto-encoder (Steck 2019): one item-item matrix in closed form."""

import os

import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional

from stages.config.model import EaseSettings
from stages.interfaces.batches import SparseRows
from stages.interfaces.codec import Embeddings, WholeHistory
from stages.references.reference import Reference
from stages.run.errors import UserError

ITEMS_AT_ONCE = 1000  # rows of the Gram matrix computed at once
PEAK_BYTES = 8  # peak memory per pair of items, in bytes


class Ease(Reference):
    """Scores items as the user's interactions times an item-item weight matrix; it stores the user's interactions.

    Parameters
    ----------
    n_items : number of items
    l2 : constant added to the diagonal of the Gram matrix (the paper's λ)

    Raises
    ------
    UserError
        where the machine has too little memory for this many items.
    """

    weights: Tensor

    def __init__(self, n_items: int, l2: float) -> None:
        needed, available = PEAK_BYTES * n_items**2, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > 0.9 * available:
            raise UserError(
                f"EASE needs {needed / 1e9:,.0f} GB of memory for {n_items:,} items, and this machine has "
                f"{available / 1e9:,.0f} GB; remove the ease entry under references in params.yaml, or use fewer items"
            )
        super().__init__()
        self.l2 = l2
        self.register_buffer("weights", torch.zeros(n_items, n_items))

    def fit(self, train: csr_array) -> None:
        """Solve for the weights (Steck 2019, equation 8); train : (n_users, n_items) 0/1.

        The solver works in place. Its peak memory is 8 bytes × n_items², for the matrix and LAPACK's copy (measured:
        4.3 GB for 20,517 items, 14.3 GB for 40,981). float32 is precise enough, as l2 bounds the condition number: on
        synthetic data of ML-20M's size, no weight differs by more than 1e-6 from its float64 value.

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
        gram.diagonal().add_(self.l2)  # makes it positive definite
        # Not SciPy's LAPACK: its dpotrf (1.17.1) crashes at ML-20M's 20,108 items.
        _, failed = torch.linalg.cholesky_ex(gram, out=(gram, torch.empty(0, dtype=torch.int32)))
        if failed:
            raise UserError("EASE's Gram matrix is not positive definite in float32; raise l2 of ease in params.yaml")
        torch.cholesky_inverse(gram, out=gram)
        gram.div_(-gram.diagonal().clone())
        gram.fill_diagonal_(0.0)

    def embed(self, fold_in: csr_array) -> csr_array:
        """The interactions, unchanged."""
        return fold_in

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: for each user, the sum of the weight rows of the user's items."""
        history = SparseRows(csr_array(embeddings), torch.device("cpu")).all()
        return functional.embedding_bag(history.items, self.weights, history.offsets, mode="sum")

    def codec(self) -> WholeHistory:
        """The codec that stores all interactions."""
        return WholeHistory()


def build(settings: EaseSettings, n_items: int) -> Ease:
    """EASE without weights, for `n_items` items."""
    return Ease(n_items, settings.l2)
