"""From histories to codes, with the arrays of a package."""

import logging
from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array

from stages.run.errors import UserError
from stages.serving.package.package import Layer, Package, Quantizer

BLOCK = 4096  # users at once: what belongs to one codebook stays in the cache


class Encoder:
    """Encodes users with the encoder and the quantizer of a package; what the search needs is made once.

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
        self._search = _searcher(package.quantizer)

    def encode(self, histories: csr_array) -> np.ndarray:
        """Histories (n, n_items) 0/1 → codes uint8 (n, n_bytes); UserError where they have other items."""
        return _searched(self.package.quantizer, self._search, embed(self.package, histories))


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
            f"histories of {n_items:,} items, but the package of {package.row} knows {len(first.weight):,}: take "
            "histories of its own data set"
        )
    vectors = np.empty((n_users, len((others or [first])[-1].bias)), np.float32)
    for start in range(0, n_users, BLOCK):
        block = histories[start : start + BLOCK].astype(np.float32, copy=False)
        lengths = np.maximum(np.diff(block.indptr), 1).astype(np.float32)
        hidden = _activated(first, (block @ first.weight) / np.sqrt(lengths)[:, None])
        for layer in others:
            hidden = _activated(layer, hidden @ layer.weight)
        vectors[start : start + BLOCK] = hidden
    return vectors


def encode(quantizer: Quantizer, vectors: np.ndarray) -> np.ndarray:
    """Codes of vectors: the codes that the pipeline's codecs give, but for those as near.

    Parameters
    ----------
    vectors : float32 (n, d)

    Returns
    -------
    uint8 (n, n_bytes)

    Raises
    ------
    UserError
        where the vectors have another width than the quantizer's, or are not finite.
    """
    return _searched(quantizer, _searcher(quantizer), vectors)


Search = Callable[[np.ndarray], np.ndarray]


def _searcher(quantizer: Quantizer) -> Search:
    """From vectors, as `into` leaves them, to a byte for each codebook."""
    try:
        from stages.codebooks.search.nearest import BeamSearch, NearestCodes
    except ImportError:
        return _in_faiss(quantizer)
    if quantizer.kind == "product":
        return NearestCodes(quantizer.codebooks)
    return BeamSearch(quantizer.codebooks, quantizer.beam)


def _in_faiss(quantizer: Quantizer) -> Search:
    from stages.codebooks.product import ProductCodec
    from stages.codebooks.residual import ResidualCodec

    logging.getLogger(__name__).warning("Numba can't be imported: users are encoded by faiss, which takes longer")
    if quantizer.kind == "product":
        return ProductCodec(quantizer.codebooks).encode
    return ResidualCodec(quantizer.codebooks, quantizer.beam).encode


def _searched(quantizer: Quantizer, search: Search, vectors: np.ndarray) -> np.ndarray:
    width = quantizer.width
    if vectors.shape[1] != width:
        raise UserError(f"vectors of {vectors.shape[1]:,} dimensions, but codes of {width:,}: take the model's own")
    codes = np.empty((len(vectors), quantizer.n_bytes), np.uint8)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        if not np.isfinite(block).all():
            raise UserError("vectors with numbers that are not finite have no codes: take such users out")
        if quantizer.mean is not None:
            block = block - quantizer.mean
        if quantizer.into is not None:
            block = block @ quantizer.into
        found = search(np.ascontiguousarray(block, dtype=np.float32))
        codes[start : start + BLOCK] = found[:, : quantizer.n_bytes]
    return codes


def _layers(package: Package) -> list[Layer]:
    if package.encoder is None:
        raise UserError(f"the package of {package.row} has no encoder: its vectors came from elsewhere")
    return package.encoder


def _activated(layer: Layer, product: np.ndarray) -> np.ndarray:
    """The layer's output; `product` is changed."""
    product += layer.bias
    return np.tanh(product, out=product) if layer.tanh else product
