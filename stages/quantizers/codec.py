"""The protocol of all codecs, and the two that compress nothing."""

from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

# What a model tells of its users: vectors (n_users, d) float32, or their interactions (n_users, n_items).
Embeddings = np.ndarray | csr_array


@runtime_checkable
class Codec(Protocol):
    """Turns embeddings into what is stored, and back.

    faiss's vocabulary: `bytes_per_vector` is its code_size, a codebook's codes are its ksub centroids.
    """

    @property
    def shared_bytes(self) -> int:
        """Bytes stored once for all users: the codebooks."""
        ...

    def encode(self, embeddings: Embeddings) -> np.ndarray | csr_array:
        """Codes : uint8 (n_users, bytes_per_vector); a sparse matrix of histories where those are stored."""
        ...

    def decode(self, codes: np.ndarray | csr_array) -> Embeddings:
        """Embeddings of the same shape and dtype as `encode` was given."""
        ...


class Float32:
    """Vectors as they are: 4 bytes a dimension."""

    shared_bytes = 0

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, 4·d) uint8: the same bytes."""
        return np.ascontiguousarray(embeddings, dtype=np.float32).view(np.uint8)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, 4·d) uint8 → (n_users, d) float32."""
        return np.ascontiguousarray(codes).view(np.float32)


class Float16:
    """Vectors rounded: 2 bytes a dimension."""

    shared_bytes = 0

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, 2·d) uint8."""
        return np.ascontiguousarray(embeddings, dtype=np.float16).view(np.uint8)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, 2·d) uint8 → (n_users, d) float32."""
        return np.ascontiguousarray(codes).view(np.float16).astype(np.float32)


class History:
    """Interactions as they are: 4 bytes an item."""

    shared_bytes = 0

    def encode(self, embeddings: Embeddings) -> csr_array:
        """(n_users, n_items) 0/1 → the same with int32 item numbers; its values are not stored."""
        history = csr_array(embeddings)
        history.indices = history.indices.astype(np.int32)
        return history

    def decode(self, codes: np.ndarray | csr_array) -> csr_array:
        """The interactions."""
        return csr_array(codes)


class SomeHistory:
    """As many of a user's items, chosen at random, as fit, in 1 to 4 whole bytes each.

    Parameters
    ----------
    n_items : whose numbers have to fit
    n_bytes : per user
    seed : of the choice
    """

    shared_bytes = 0

    def __init__(self, n_items: int, n_bytes: int, seed: int) -> None:
        self.n_items = int(n_items)
        self.seed = int(seed)
        self.bytes_per_item = (self.n_items.bit_length() + 7) // 8  # n_items itself marks an empty place
        self.bytes_per_vector = int(n_bytes)
        self.places = self.bytes_per_vector // self.bytes_per_item

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
        return np.pad(packed, ((0, 0), (0, self.bytes_per_vector - packed.shape[1])))

    def decode(self, codes: np.ndarray | csr_array) -> csr_array:
        """(n_users, bytes_per_vector) uint8 → (n_users, n_items) 0/1, of the items that were kept."""
        used = np.asarray(codes)[:, : self.places * self.bytes_per_item]
        numbers = np.zeros((len(used), self.places, 4), dtype=np.uint8)
        numbers[..., : self.bytes_per_item] = used.reshape(len(used), self.places, self.bytes_per_item)
        items = numbers.view("<u4")[..., 0]
        users, place = np.nonzero(items < self.n_items)
        ones = np.ones(len(users), dtype=np.float32)
        return csr_array((ones, (users, items[users, place])), shape=(len(used), self.n_items))

    def prefix(self, n_bytes: int) -> "SomeHistory":
        """The same choice for fewer bytes."""
        return SomeHistory(self.n_items, n_bytes, self.seed)

    def save(self, path: Path) -> None:
        """Write all that `load` needs as NPZ."""
        with path.open("wb") as file:
            np.savez(file, n_items=self.n_items, n_bytes=self.bytes_per_vector, seed=self.seed)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)


def stored_bytes(codes: np.ndarray | csr_array) -> int:
    """Bytes that codes take: of the whole array, or of the item numbers where histories are stored."""
    return codes.nbytes if isinstance(codes, np.ndarray) else codes.indices.nbytes
