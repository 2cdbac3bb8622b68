"""The interface of every model."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.interfaces.codec import Codec, Embeddings


class Recommender(nn.Module, ABC):
    """Scores items for users that training never saw, from their fold-in interactions."""

    @abstractmethod
    def embed(self, fold_in: csr_array) -> Embeddings:
        """Embeddings of users, which a codec then stores.

        Parameters
        ----------
        fold_in : (n_users, n_items) 0/1

        Returns
        -------
        (n_users, d) float32; or the interactions themselves where the model has no embeddings
        """

    def embed_users(self, users: np.ndarray, fold_in: csr_array) -> Embeddings:  # noqa: ARG002
        """Embeddings of users of the split, as in `embed`; only a model of given vectors needs to know who they are.

        Parameters
        ----------
        users : int64 (n_users,), their numbers in `Split.users`
        fold_in : (n_users, n_items) 0/1
        """
        return self.embed(fold_in)

    @abstractmethod
    def score(self, embeddings: Embeddings) -> Tensor:
        """Scores (n_users, n_items) float32 on the model's device, from (decoded) embeddings alone."""

    def item_vectors(self) -> tuple[Tensor, Tensor] | None:
        """Vectors float32 (n_items, d) and biases (n_items,) of items, if scores are inner products and biases."""
        return None

    @abstractmethod
    def codec(self) -> Codec:
        """The model's own codec, used where no quantizer was fitted after training."""
