"""From histories to codes, with the arrays of a package."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from stages.run.errors import UserError
from stages.serving.package.package import Layer, Package, Quantizer

if TYPE_CHECKING:
    from stages.codebooks.codebook_codec import CodebookCodec
    from stages.codebooks.transform import Transform
    from stages.interfaces.codec import ByHistory

BLOCK = 4096  # users at once: what belongs to one codebook stays in the cache


class Encoder:
    """Encodes users with the encoder and the quantizer of a package; what the search needs is made once.

    Where the package has a guide, the search is the pipeline's own, in PyTorch, and takes the decoder as well.

    Parameters
    ----------
    package : one with an encoder
    on_gpu : whether a search by a guide runs on a GPU; all else runs on CPUs, where it takes microseconds

    Raises
    ------
    UserError
        where it has none, or PyTorch finds no GPU.
    """

    def __init__(self, package: Package, on_gpu: bool = False) -> None:
        check_encoder(package)
        self.package = package
        guided = package.quantizer.guide is not None
        self._guided = _guided(package, on_gpu) if guided else None
        self._search = None if guided else _searcher(package.quantizer)

    def encode(self, histories: csr_array) -> np.ndarray:
        """Histories (n, n_items) 0/1 → codes uint8 (n, n_bytes); UserError where they have other items."""
        quantizer, vectors = self.package.quantizer, embed(self.package, histories)
        if self._guided is not None:
            return self._guided.encode_users(_checked(quantizer, vectors), histories)
        assert self._search is not None
        return _searched(quantizer, self._search, vectors)


def check_encoder(package: Package) -> None:
    """UserError where a package has no encoder."""
    _layers(package)


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
    sums = _summing()
    n_users, n_items = histories.shape
    if n_items != len(first.weight):
        raise UserError(
            f"histories of {n_items:,} items, but the package of {package.row} knows {len(first.weight):,}: take "
            "histories of its own data set"
        )
    vectors = np.empty((n_users, len((others or [first])[-1].bias)), np.float32)
    for start in range(0, n_users, BLOCK):
        block = histories[start : start + BLOCK]
        lengths = np.maximum(np.diff(block.indptr), 1).astype(np.float32)
        hidden = _activated(first, sums(block, first.weight) / np.sqrt(lengths)[:, None])
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
        where the vectors have another width than the quantizer's, or are not finite; where a guide chooses codes, for
        which vectors alone do not do.
    """
    if quantizer.guide is not None:
        raise UserError(
            f"these codes are chosen by '{quantizer.guide.by}', which needs the decoder and the users' items, and here "
            "are vectors alone: encode histories with the package, or take the row of the nearest codes"
        )
    return _searched(quantizer, _searcher(quantizer), vectors)


Search = Callable[[np.ndarray], np.ndarray]


def _searcher(quantizer: Quantizer) -> Search:
    """From vectors, as `into` leaves them, to a byte for each codebook."""
    try:
        from stages.search.nearest import BeamSearch, NearestCodes
    except ImportError:
        return _in_faiss(quantizer)
    if quantizer.kind == "product":
        return NearestCodes(quantizer.codebooks)
    return BeamSearch(quantizer.codebooks, quantizer.beam)


def _summing() -> Callable[[csr_array, np.ndarray], np.ndarray]:
    """From histories and the first layer's weight to their product."""
    try:
        from stages.serving.encoding.sums import sums_of_rows
    except ImportError:  # of Numba, which `_in_faiss` tells
        return lambda histories, weight: histories.astype(np.float32, copy=False) @ weight
    return sums_of_rows


def _in_faiss(quantizer: Quantizer) -> Search:
    logging.getLogger(__name__).warning("Numba can't be imported: users are encoded by faiss, which takes longer")
    return _codec(quantizer, None).encode


def _guided(package: Package, on_gpu: bool) -> "ByHistory":
    """The codec of the pipeline that chooses codes by the package's guide."""
    import torch

    if on_gpu and not torch.cuda.is_available():
        raise UserError(
            "PyTorch finds no GPU where users are encoded; set scale.gpus_per_worker in params.yaml to 0, or install a "
            "PyTorch that knows the GPU"
        )

    from stages.codebooks.transform import Transform
    from stages.guided.encoder import GuidedCodec

    quantizer, items = package.quantizer, package.items
    assert quantizer.guide is not None
    into, back = quantizer.into, quantizer.back
    transform = None if into is None or back is None else Transform(into, back, quantizer.mean)
    device = torch.device("cuda" if on_gpu else "cpu")
    weight, bias = (torch.from_numpy(array).to(device) for array in (items.weight, items.bias))
    return GuidedCodec(_codec(quantizer, transform), weight, bias, quantizer.guide)


def _codec(quantizer: Quantizer, transform: "Transform | None") -> "CodebookCodec":
    """The codec of the pipeline with these codebooks."""
    from stages.codebooks.product import ProductCodec
    from stages.codebooks.residual import ResidualCodec

    if quantizer.kind == "product":
        return ProductCodec(quantizer.codebooks, transform)
    return ResidualCodec(quantizer.codebooks, quantizer.beam, transform, quantizer.n_bytes)


def _checked(quantizer: Quantizer, vectors: np.ndarray) -> np.ndarray:
    """The vectors, if they are finite and as wide as the quantizer's."""
    width = quantizer.width
    if vectors.shape[1] != width:
        raise UserError(f"vectors of {vectors.shape[1]:,} dimensions, but codes of {width:,}: take the model's own")
    if not np.isfinite(vectors).all():
        raise UserError("vectors with numbers that are not finite have no codes: take such users out")
    return vectors


def _searched(quantizer: Quantizer, search: Search, vectors: np.ndarray) -> np.ndarray:
    codes = np.empty((len(vectors), quantizer.n_bytes), np.uint8)
    for start in range(0, len(_checked(quantizer, vectors)), BLOCK):
        block = vectors[start : start + BLOCK]
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
