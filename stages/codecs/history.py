"""Some of a user's items in place of a vector: no quantizer, but as few bytes."""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.fitted import FittedCodec
from stages.interfaces.codec import Embeddings


class SomeHistory(FittedCodec):
    """As many of a user's items, chosen at random, as fit, in 1 to 4 whole bytes each.

    Parameters
    ----------
    n_items : whose numbers have to fit
    n_bytes : per user
    seed : of the choice
    """

    def __init__(self, n_items: int, n_bytes: int, seed: int) -> None:
        self.n_items = int(n_items)
        self.seed = int(seed)
        self.bytes_per_item = (self.n_items.bit_length() + 7) // 8  # n_items itself marks an empty place
        self.n_bytes = int(n_bytes)
        self.places = self.n_bytes // self.bytes_per_item

    @property
    def bytes_per_vector(self) -> int:
        """As asked for."""
        return self.n_bytes

    @property
    def shared_bytes(self) -> int:
        """None."""
        return 0

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, n_items) 0/1 → (n_users, bytes_per_vector) uint8."""
        history = csr_array(embeddings)
        draws = np.random.default_rng(self.seed).random(history.shape[1])  # an order of items: the same for every user
        kept = np.full((history.shape[0], self.places), self.n_items, dtype="<u4")
        for user, (start, end) in enumerate(pairwise(history.indptr)):
            items = history.indices[start:end]
            chosen = items[np.argsort(draws[items])[: self.places]]
            kept[user, : len(chosen)] = chosen
        packed = kept.view(np.uint8).reshape(*kept.shape, 4)[..., : self.bytes_per_item].reshape(len(kept), -1)
        return np.pad(packed, ((0, 0), (0, self.n_bytes - packed.shape[1])))

    def decode(self, codes: np.ndarray | csr_array) -> csr_array:
        """(n_users, bytes_per_vector) uint8 → (n_users, n_items) 0/1, of the items that were kept."""
        used = np.asarray(codes)[:, : self.places * self.bytes_per_item]
        numbers = np.zeros((len(used), self.places, 4), dtype=np.uint8)
        numbers[..., : self.bytes_per_item] = used.reshape(len(used), self.places, self.bytes_per_item)
        items = numbers.view("<u4")[..., 0]
        users, place = np.nonzero(items < self.n_items)
        ones = np.ones(len(users), dtype=np.float32)
        return csr_array((ones, (users, items[users, place])), shape=(len(used), self.n_items))

    def _arguments(self) -> dict[str, Any]:
        return {"n_items": self.n_items, "n_bytes": self.n_bytes, "seed": self.seed}
