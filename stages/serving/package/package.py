"""What a package holds, as arrays."""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A layer of the encoder: `tanh(inputs @ weight + bias)`, or without tanh."""

    weight: np.ndarray
    """float32 (width of the inputs, width of the outputs); of the first layer (n_items, …): a history is the sum of its
    items' rows, divided by the root of their number."""
    bias: np.ndarray
    """float32 (width of the outputs,)."""
    tanh: bool
    """False where the layer is linear: the mean of a VAE's latent."""


@dataclass(frozen=True)
class Quantizer:
    """Codebooks of 256 codes: a code of one byte for each of them."""

    kind: Literal["product", "residual"]
    """product: a codebook for each chunk of the vector; residual: each encodes what those before it have left."""
    codebooks: np.ndarray
    """float32 (M, 256, width of a code)."""
    n_bytes: int
    """Bytes that are stored of a user: M, or of residual codes a prefix; the encoder searches all M all the same."""
    beam: int = 1
    """Partial codes that the encoder of residual codes keeps."""
    into: np.ndarray | None = None
    """float32 (d, k), applied to vectors before they are quantized; None where nothing is."""
    back: np.ndarray | None = None
    """float32 (k, d), applied after decoding."""
    mean: np.ndarray | None = None
    """float32 (d,), subtracted before `into` and added after `back`."""

    @property
    def width(self) -> int:
        """Dimensions of a decoded vector, d."""
        return self._inner_width if self.back is None else self.back.shape[1]

    @property
    def _inner_width(self) -> int:
        n_codebooks, _, width = self.codebooks.shape
        return n_codebooks * width if self.kind == "product" else width

    def vectors(self) -> np.ndarray:
        """What each code adds to the decoded vector, float32 (n_bytes, 256, d); the sum and `offset` are the vector."""
        n_codebooks, n_codes, width = self.codebooks.shape
        if self.kind == "residual":
            used = self.codebooks[: self.n_bytes]
            return used if self.back is None else used @ self.back
        if self.back is None:
            added = np.zeros((n_codebooks, n_codes, n_codebooks * width), np.float32)
            for chunk, codebook in enumerate(self.codebooks):
                added[chunk, :, chunk * width : (chunk + 1) * width] = codebook
            return added
        return np.matmul(self.codebooks, self.back.reshape(n_codebooks, width, -1))

    @property
    def offset(self) -> np.ndarray:
        """What is added to every decoded vector, float32 (d,)."""
        return np.zeros(self.width, np.float32) if self.mean is None else self.mean

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Codes uint8 (n, n_bytes) → vectors float32 (n, d)."""
        if self.kind == "product":
            chunks = [codebook[column] for codebook, column in zip(self.codebooks, codes.T, strict=True)]
            inner = np.concatenate(chunks, axis=1)
        else:
            inner = np.zeros((len(codes), self._inner_width), np.float32)
            for codebook, column in zip(self.codebooks, codes.T, strict=False):
                inner += codebook[column]
        wide = inner if self.back is None else inner @ self.back
        return wide if self.mean is None else wide + self.mean


@dataclass(frozen=True)
class Items:
    """The catalogue that the package knows: column j of everything is one item."""

    ids: np.ndarray
    """int64 (n_items,), or object of text: the ids of the log."""
    titles: list[str] | None
    """Of the items, where the data set has any."""
    weight: np.ndarray
    """float32 (n_items, d), item-major: the score of a vector is `weight @ vector + bias`."""
    bias: np.ndarray
    """float32 (n_items,)."""
    interactions: np.ndarray
    """int64 (n_items,), of the train users: what users without a code are shown comes first by it."""


@dataclass(frozen=True)
class Package:
    """Encoder, quantizer and items of one training, stored as one row of the report."""

    row: str
    """Name in the report."""
    digest: str
    """SHA-256 of the manifest, which holds those of all files: codes of two packages never mix."""
    encoder: list[Layer] | None
    """From histories to vectors; None where the vectors came from elsewhere."""
    quantizer: Quantizer
    items: Items
