"""What every model can do, whatever its family."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.interfaces.codec import Codec, Embeddings


class Recommender(nn.Module, ABC):
    """Scores items for users it has never seen, from the interactions they are shown (fold-in)."""

    @abstractmethod
    def embed(self, fold_in: csr_array) -> Embeddings:
        """What the model keeps of each user.

        Parameters
        ----------
        fold_in : (n_users, n_items) 0/1

        Returns
        -------
        (n_users, d) float32; or the interactions themselves where the model keeps those
        """

    @abstractmethod
    def score(self, embeddings: Embeddings) -> Tensor:
        """Scores (n_users, n_items) float32 on the model's device, from (decoded) embeddings alone."""

    @abstractmethod
    def codec(self) -> Codec:
        """How this model's users are stored, where no quantizer was fitted after training."""


@dataclass(frozen=True)
class UserItems:
    """Interactions of some users, as `torch.nn.functional.embedding_bag` takes them."""

    items: Tensor
    """int64 (n_interactions,), user after user."""
    offsets: Tensor
    """int64 (n_users,), where each user's items start."""
    lengths: Tensor
    """int64 (n_users,), how many they are."""

    users: Tensor
    """int64 (n_interactions,), the row of each item's user."""

    def part(self, start: int, end: int) -> "UserItems":
        """The users from `start` to `end`."""
        if start == 0 and end == len(self.lengths):
            return self  # on a GPU the numbers below would have to be waited for
        first = int(self.offsets[start])
        last = first + int(self.lengths[start:end].sum())
        return UserItems(
            self.items[first:last],
            self.offsets[start:end] - first,
            self.lengths[start:end],
            self.users[first:last] - start,
        )


class Interactions:
    """A sparse 0/1 matrix on a device, from which rows are gathered."""

    def __init__(self, matrix: csr_array, device: torch.device) -> None:
        self.starts = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self.items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def all(self) -> UserItems:
        """All rows in order."""
        lengths = self.starts.diff()
        return UserItems(self.items, self.starts[:-1], lengths, _repeated(lengths))

    def rows(self, rows: Tensor) -> UserItems:
        """The given rows : int64 (n_users,)."""
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        offsets = lengths.cumsum(0) - lengths
        users = _repeated(lengths)
        # Position within the batch plus the distance from there to the user's place in the matrix.
        places = torch.arange(len(users), device=users.device) + (starts - offsets)[users]
        return UserItems(self.items[places], offsets, lengths, users)


def _repeated(lengths: Tensor) -> Tensor:
    """Number i, lengths[i] times, for each i."""
    return torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
