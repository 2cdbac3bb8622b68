"""Scalar quantization: each dimension is stored by itself in few bits, with faiss, or as one bit."""

from typing import Any

import faiss
import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import check_vectors
from stages.codebooks.fitted import FittedCodec
from stages.codebooks.transform import Transform
from stages.config.quantizer import ScalarSettings
from stages.config.strict import Variant
from stages.interfaces.codec import Embeddings

TYPES = {
    "float16": faiss.ScalarQuantizer.QT_fp16,
    "bfloat16": faiss.ScalarQuantizer.QT_bf16,
    "8bit": faiss.ScalarQuantizer.QT_8bit,
    "6bit": faiss.ScalarQuantizer.QT_6bit,
    "4bit": faiss.ScalarQuantizer.QT_4bit,
}
FLOATS = ("float16", "bfloat16")  # which have no ranges


class ScalarCodec(FittedCodec):
    """Rounds every dimension to a shorter float, or to steps between its lowest and highest value.

    Parameters
    ----------
    type : one of `TYPES`
    ranges : float32 (2 · width,), first the lowest value of every dimension, then the range of every dimension; (0,)
        for floats
    width : number of dimensions that are rounded
    transform : linear map to fewer dimensions (PCA) before rounding, or None
    """

    def __init__(self, type: str, ranges: np.ndarray, width: int, transform: Transform | None = None) -> None:  # noqa: A002
        self.type = type
        self.ranges = np.ascontiguousarray(ranges, dtype=np.float32)
        self.width = width
        self.transform = transform
        if type not in TYPES:
            raise ValueError(f"type {type}, expected one of {', '.join(TYPES)}")
        expected = (0 if type in FLOATS else 2 * width,)
        if self.ranges.shape != expected:
            raise ValueError(f"ranges {self.ranges.shape}, expected {expected}")
        if transform and transform.into.shape[1] != width:
            raise ValueError(f"a transform into {transform.into.shape[1]} dimensions, expected {width}")
        self._quantizer = faiss.ScalarQuantizer(width, TYPES[type])
        faiss.copy_array_to_vector(self.ranges.ravel(), self._quantizer.trained)

    @property
    def bytes_per_vector(self) -> int:
        """Bits of all dimensions, rounded up to whole bytes."""
        return int(self._quantizer.code_size)

    @property
    def shared_bytes(self) -> int:
        """Bytes of the ranges and of the transform."""
        return self.ranges.nbytes + (self.transform.nbytes if self.transform else 0)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        width = len(self.transform.into) if self.transform else self.width
        vectors = np.asarray(self._fitting(embeddings, width))
        if self.transform:
            vectors = self.transform.apply(vectors)
        return self._quantizer.compute_codes(np.ascontiguousarray(vectors, dtype=np.float32))

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        vectors = self._quantizer.decode(np.ascontiguousarray(codes))
        return self.transform.undo(vectors) if self.transform else vectors

    def _arguments(self) -> dict[str, Any]:
        return {"type": self.type, "ranges": self.ranges, "width": self.width, "transform": self.transform}


class SignCodec(FittedCodec):
    """Stores one bit per dimension: whether its value is above the mean.

    A bit is decoded as the mean of the values on its side.

    Parameters
    ----------
    middle : float32 (d,), mean of each dimension
    levels : float32 (2, d), values that the bits 0 and 1 are decoded to
    """

    def __init__(self, middle: np.ndarray, levels: np.ndarray) -> None:
        if middle.ndim != 1 or levels.shape != (2, *middle.shape):
            raise ValueError(f"middle {middle.shape} and levels {levels.shape}, expected (d,) and (2, d)")
        self.middle, self.levels = middle, levels

    @property
    def bytes_per_vector(self) -> int:
        """One bit per dimension, rounded up to whole bytes."""
        return -(-len(self.middle) // 8)

    @property
    def shared_bytes(self) -> int:
        """Bytes of the means and levels."""
        return self.middle.nbytes + self.levels.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        return np.packbits(np.asarray(self._fitting(embeddings, len(self.middle))) > self.middle, axis=1)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        bits = np.unpackbits(np.asarray(codes), axis=1, count=len(self.middle)).astype(bool)
        return np.where(bits, self.levels[1], self.levels[0])

    def _arguments(self) -> dict[str, Any]:
        return {"middle": self.middle, "levels": self.levels}


def fit(settings: ScalarSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit every type of rounding; see `stages.codecs.fit`."""
    return {name: fit_signs(vectors) if name == "1bit" else fit_scalar(vectors, name) for name in settings.types}


def fit_scalar(vectors: np.ndarray, type: str, transform: Transform | None = None) -> ScalarCodec:  # noqa: A002
    """Fit the range of each dimension, for types that need it.

    Parameters
    ----------
    vectors : float32 (n, d)
    type : one of `TYPES`
    transform : linear map applied before rounding, or None

    Raises
    ------
    UserError
        where there are no vectors, all are the same, or one is not finite.
    """
    check_vectors(vectors, 1)
    if transform:
        vectors = transform.apply(vectors)
    quantizer = faiss.ScalarQuantizer(vectors.shape[1], TYPES[type])
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return ScalarCodec(type, faiss.vector_to_array(quantizer.trained), vectors.shape[1], transform)


def fit_signs(vectors: np.ndarray) -> SignCodec:
    """Fit the mean of each dimension, and the means of the values up to it and above it; errors as in `fit_scalar`."""
    check_vectors(vectors, 1)
    middle = vectors.mean(0)
    above = vectors > middle
    counts = np.stack([(~above).sum(0), above.sum(0)]).clip(1)
    sums = np.stack([np.where(above, 0, vectors).sum(0), np.where(above, vectors, 0).sum(0)])
    levels = np.where(above.any(0), sums / counts, middle)  # a constant dimension has no value above its mean
    return SignCodec(middle.astype(np.float32), levels.astype(np.float32))
