"""From histories to codes, with the arrays of a package."""

import numpy as np
from scipy.sparse import csr_array

from stages.run.errors import UserError
from stages.serving.package.package import Layer, Package, Quantizer

BLOCK = 4096  # users at once: the results of one codebook stay in the cache


class Encoder:
    """Encodes users with the encoder and the quantizer of a package.

    Parameters
    ----------
    package : one with an encoder

    Raises
    ------
    UserError
        where it has none.
    """

    def __init__(self, package: Package) -> None:
        _layers(package)
        self.package = package

    def encode(self, histories: csr_array) -> np.ndarray:
        """Histories (n, n_items) 0/1 → codes uint8 (n, n_bytes); UserError where they have other items."""
        return encode(self.package.quantizer, embed(self.package, histories))


def embed(package: Package, histories: csr_array) -> np.ndarray:
    """Vectors of users, float32 (n, d); an empty history gives what the biases give.

    Parameters
    ----------
    histories : (n, n_items) 0/1, the items of each user

    Raises
    ------
    UserError
        where the package has no encoder, or another number of items.
    """
    first, *others = _layers(package)
    n_users, n_items = histories.shape
    if n_items != len(first.weight):
        raise UserError(
            f"histories of {n_items:,} items, but the package of {package.row} has {len(first.weight):,}: "
            "it is of another data set"
        )
    vectors = np.empty((n_users, (others or [first])[-1].weight.shape[1]), np.float32)
    for start in range(0, n_users, BLOCK):
        block = histories[start : start + BLOCK].astype(np.float32, copy=False)
        lengths = np.maximum(np.diff(block.indptr), 1).astype(np.float32)
        hidden = _activated(first, (block @ first.weight) / np.sqrt(lengths)[:, None])
        for layer in others:
            hidden = _activated(layer, hidden @ layer.weight)
        vectors[start : start + BLOCK] = hidden
    return vectors


def encode(quantizer: Quantizer, vectors: np.ndarray) -> np.ndarray:
    """Codes uint8 (n, n_bytes) of vectors float32 (n, d)."""
    from stages.codebooks.product import ProductCodec
    from stages.codebooks.residual import ResidualCodec
    from stages.codebooks.transform import Transform

    transform = None
    if quantizer.into is not None and quantizer.back is not None:
        transform = Transform(quantizer.into, quantizer.back, quantizer.mean)
    if quantizer.kind == "product":
        return ProductCodec(quantizer.codebooks, transform).encode(vectors)
    return ResidualCodec(quantizer.codebooks, quantizer.beam, transform, quantizer.n_bytes).encode(vectors)


def _layers(package: Package) -> list[Layer]:
    if package.encoder is None:
        raise UserError(f"the package of {package.row} has no encoder: its vectors came from elsewhere")
    return package.encoder


def _activated(layer: Layer, product: np.ndarray) -> np.ndarray:
    """The layer's output; `product` is changed."""
    product += layer.bias
    return np.tanh(product, out=product) if layer.tanh else product
