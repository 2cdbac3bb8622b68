"""The protocol of all codecs, and those with nothing to fit."""

from typing import Protocol, runtime_checkable

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


def stored_bytes(codes: np.ndarray | csr_array) -> int:
    """Bytes that codes take: of the whole array, or of the item numbers where histories are stored."""
    return codes.nbytes if isinstance(codes, np.ndarray) else codes.indices.nbytes
