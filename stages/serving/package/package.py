"""What a package holds, as arrays."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stages.guided.guide import Guide

CODES = 256  # of a codebook: one byte numbers them


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
    guide: Guide | None = None
    """How codes are chosen by the scores of what they decode to; None where they are the nearest."""

    @property
    def width(self) -> int:
        """Dimensions of a decoded vector, d."""
        return self.inner_width if self.back is None else self.back.shape[1]

    @property
    def inner_width(self) -> int:
        """Dimensions in which the codebooks are, k; d without a transform."""
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
            inner = np.zeros((len(codes), self.inner_width), np.float32)
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


def check_parts(encoder: list[Layer] | None, quantizer: Quantizer, items: Items) -> None:
    """Check that the parts of a package fit together.

    Raises
    ------
    ValueError
        in words, where shapes or dtypes do not, or an item is there twice.
    """
    n_items, books = len(items.ids), quantizer.codebooks
    for name, array, axes in (("codebooks", books, 3), ("into", quantizer.into, 2), ("back", quantizer.back, 2)):
        if array is not None and array.ndim != axes:
            raise ValueError(f"{name} has {array.ndim} axes, expected {axes}")
    width, inner = quantizer.width, quantizer.inner_width
    expected: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("codebooks", books, (len(books), CODES, books.shape[2])),
        ("the decoder's weight", items.weight, (n_items, width)),
        ("the decoder's bias", items.bias, (n_items,)),
    ]
    if quantizer.into is not None:
        expected.append(("into", quantizer.into, (width, inner)))
    if quantizer.back is not None:
        expected.append(("back", quantizer.back, (inner, width)))
    if quantizer.mean is not None:
        expected.append(("mean", quantizer.mean, (width,)))
    inputs = n_items
    for number, layer in enumerate(encoder or []):
        outputs = layer.bias.size
        expected.append((f"the weight of layer {number}", layer.weight, (inputs, outputs)))
        expected.append((f"the bias of layer {number}", layer.bias, (outputs,)))
        inputs = outputs
    for name, array, shape in expected:
        if array.dtype != np.float32 or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, expected float32 {shape}")
    if (quantizer.into is None) != (quantizer.back is None):
        raise ValueError("there is a map into the codebooks' space and none back, or the other way round")
    if quantizer.guide is not None and encoder is None:
        raise ValueError("codes are chosen by what users' items are, and no encoder makes vectors of items")
    if encoder is not None and inputs != width:
        raise ValueError(f"the encoder makes vectors of {inputs} dimensions, and codes are decoded to {width}")
    least = len(books) if quantizer.kind == "product" else 1
    if not least <= quantizer.n_bytes <= len(books):
        raise ValueError(f"{quantizer.n_bytes} bytes of a {quantizer.kind} code of {len(books)}")
    columns = {"titles": items.titles, "interactions": items.interactions}
    for name, column in columns.items():
        if column is not None and len(column) != n_items:
            raise ValueError(f"{len(column)} {name} of {n_items} items")
    if len(set(items.ids.tolist())) != n_items:
        raise ValueError("an item is there twice")
