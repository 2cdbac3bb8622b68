"""Base of the product, residual and additive codecs: codebooks of 256 codes, searched by faiss."""

from abc import abstractmethod
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import CODES
from stages.codebooks.fitted import FittedCodec
from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings


class CodebookCodec(FittedCodec):
    """Stores one byte per codebook: the number of a code.

    Parameters
    ----------
    codebooks : float32 (M, 256, width of a code)
    transform : linear map applied before vectors are quantized, and undone after; or None
    """

    def __init__(self, codebooks: np.ndarray, transform: Transform | None) -> None:
        if codebooks.ndim != 3 or codebooks.shape[1] != CODES:
            raise ValueError(f"codebooks {codebooks.shape}, expected (M, {CODES}, width)")
        self.codebooks = np.ascontiguousarray(codebooks, dtype=np.float32)
        self.transform = transform
        self.n_codebooks = len(self.codebooks)
        self._quantizer = self._searcher()
        if transform and transform.into.shape[1] != self._quantizer.d:
            raise ValueError(f"a transform into {transform.into.shape[1]} dimensions, expected {self._quantizer.d}")

    @abstractmethod
    def _searcher(self) -> Any:
        """The faiss quantizer with these codebooks."""

    @abstractmethod
    def _sum(self, codes: np.ndarray) -> np.ndarray:
        """Decoded vectors float32 (n, d) of codes uint8 (n, M), before the transform is undone."""

    @abstractmethod
    def _spread(self) -> np.ndarray:
        """What each stored code adds to the sum, float32 (bytes_per_vector, 256, d), before the transform is undone."""

    def added(self) -> np.ndarray:
        """What each stored code adds to a decoded vector, float32 (bytes_per_vector, 256, d); a mean comes on top."""
        spread = self._spread()
        return spread @ self.transform.back if self.transform else spread

    @property
    def bytes_per_vector(self) -> int:
        """One byte per codebook."""
        return self.n_codebooks

    @property
    def shared_bytes(self) -> int:
        """Bytes of the codebooks and of the transform."""
        return self.codebooks.nbytes + (self.transform.nbytes if self.transform else 0)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        width = len(self.transform.into) if self.transform else self._quantizer.d
        vectors = np.asarray(self._fitting(embeddings, width))
        if self.transform:
            vectors = self.transform.apply(vectors)
        return self._quantizer.compute_codes(np.ascontiguousarray(vectors, dtype=np.float32))

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        vectors = self._sum(np.asarray(codes))
        return self.transform.undo(vectors) if self.transform else vectors

    def _arguments(self) -> dict[str, Any]:
        return {"codebooks": self.codebooks, "transform": self.transform}
