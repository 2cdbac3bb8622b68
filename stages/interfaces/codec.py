"""The protocol of all codecs, and the codecs that need no fitting."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

# What a model computes from its users: vectors (n_users, d) float32, or the interactions (n_users, n_items) 0/1.
Embeddings = np.ndarray | csr_array


@runtime_checkable
class Codec(Protocol):
    """Encodes embeddings into stored codes, and decodes them.

    In faiss's vocabulary, bytes per user are `code_size`, and the codes of a codebook are its `ksub` centroids.
    """

    @property
    def shared_bytes(self) -> int:
        """Bytes stored once for all users, such as the codebooks."""
        ...

    @property
    def n_codebooks(self) -> int:
        """Number of codebooks, where a code has one byte per codebook; else 0."""
        ...

    @property
    def fit_errors(self) -> Sequence[float]:
        """Mean squared error before each iteration of an iterative fit; empty for other fits."""
        ...

    def encode(self, embeddings: Embeddings) -> np.ndarray | csr_array:
        """Codes : uint8 (n_users, bytes per user), or a sparse (n_users, n_items) matrix of whole histories."""
        ...

    def decode(self, codes: np.ndarray | csr_array) -> Embeddings:
        """Reconstructed embeddings, of the shape and dtype that `encode` takes."""
        ...


@runtime_checkable
class ByHistory(Protocol):
    """A codec that chooses codes by the users' items, too."""

    def encode_users(self, embeddings: Embeddings, histories: csr_array) -> np.ndarray:
        """Codes uint8 (n_users, bytes per user) of (n_users, d) float32, and of their items (n_users, n_items) 0/1."""
        ...


def encode_users(codec: Codec, embeddings: Embeddings, histories: csr_array) -> np.ndarray | csr_array:
    """Codes of users; their items, (n_users, n_items) 0/1, count only where the codec chooses by them."""
    if isinstance(codec, ByHistory):
        return codec.encode_users(embeddings, histories)
    return codec.encode(embeddings)


class Float32:
    """Stores vectors unchanged: 4 bytes per dimension."""

    shared_bytes = 0
    n_codebooks = 0
    fit_errors: Sequence[float] = ()

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, 4·d) uint8: the same bytes."""
        return np.ascontiguousarray(embeddings, dtype=np.float32).view(np.uint8)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, 4·d) uint8 → (n_users, d) float32."""
        return np.ascontiguousarray(codes).view(np.float32)


class Float16:
    """Stores vectors rounded to float16: 2 bytes per dimension."""

    shared_bytes = 0
    n_codebooks = 0
    fit_errors: Sequence[float] = ()

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, 2·d) uint8."""
        return np.ascontiguousarray(embeddings, dtype=np.float16).view(np.uint8)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, 2·d) uint8 → (n_users, d) float32."""
        return np.ascontiguousarray(codes).view(np.float16).astype(np.float32)


class WholeHistory:
    """Stores all interactions of a user: 4 bytes per item."""

    shared_bytes = 0
    n_codebooks = 0
    fit_errors: Sequence[float] = ()

    def encode(self, embeddings: Embeddings) -> csr_array:
        """(n_users, n_items) 0/1 → the same matrix with int32 item numbers; only these count as stored."""
        history = csr_array(embeddings)
        history.indices = history.indices.astype(np.int32)
        return history

    def decode(self, codes: np.ndarray | csr_array) -> csr_array:
        """The interactions."""
        return csr_array(codes)


def stored_bytes(codes: np.ndarray | csr_array) -> int:
    """Bytes of the codes: of the whole array, or of the item numbers where histories are stored."""
    return codes.nbytes if isinstance(codes, np.ndarray) else codes.indices.nbytes
