"""Vectors from elsewhere, such as a two-tower model's: a row for each user, and one for each item."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.config.model import VectorsSettings
from stages.interfaces.codec import Embeddings, Float32
from stages.interfaces.recommender import Recommender
from stages.run.errors import UserError


class Vectors(Recommender):
    """Scores items by the inner product of their vector and the user's; it knows users by their numbers alone.

    Parameters
    ----------
    users : float32 (n_users, d), in the order of `Split.users`
    items : float32 (n_items, d), in the order of `Split.items`
    """

    users: Tensor
    items: Tensor

    def __init__(self, users: Tensor, items: Tensor) -> None:
        super().__init__()
        self.register_buffer("users", users)
        self.register_buffer("items", items)

    def embed(self, fold_in: csr_array) -> np.ndarray:  # noqa: ARG002
        """Raise a UserError: these vectors are not made from interactions."""
        raise UserError("vectors from elsewhere can't be made of interactions; take a model that is trained")

    def embed_users(self, users: np.ndarray, fold_in: csr_array) -> np.ndarray:  # noqa: ARG002
        """(n_users, d) float32: the vectors of these users; their fold-in is not looked at."""
        return self.users[torch.from_numpy(users)].cpu().numpy()

    def embed_parts(self, histories: csr_array, generator: torch.Generator) -> np.ndarray:  # noqa: ARG002
        """The vectors of the train users, float32 (n, d), to fit codebooks on; of parts of histories there are none."""
        return self.users[: histories.shape[0]].cpu().numpy()

    @torch.no_grad()
    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: inner products."""
        return torch.from_numpy(np.asarray(embeddings)).to(self.items.device) @ self.items.T

    def item_vectors(self) -> tuple[Tensor, Tensor]:
        """The items' vectors, without biases."""
        return self.items, self.items.new_zeros(len(self.items))

    def codec(self) -> Float32:
        """The vectors as they are."""
        return Float32()


def build(settings: VectorsSettings, n_users: int, n_items: int) -> Vectors:
    """A table without values, for so many users and items."""
    return Vectors(torch.empty(n_users, settings.width), torch.empty(n_items, settings.width))
