"""What product and residual codecs have in common: codebooks of 256 codes, searched by faiss."""

from abc import abstractmethod
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import CODES
from stages.codebooks.fitted import FittedCodec
from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings


class CodebookCodec(FittedCodec):
    """One byte per codebook: the number of a code.

    Parameters
    ----------
    codebooks : float32 (M, 256, width of a code)
    transform : of the vectors before they are quantized; undone after
    """

    def __init__(self, codebooks: np.ndarray, transform: Transform | None) -> None:
        if codebooks.shape[1] != CODES:
            raise ValueError(f"codebooks of {codebooks.shape[1]} codes, expected {CODES}")
        self.codebooks = np.ascontiguousarray(codebooks, dtype=np.float32)
        self.transform = transform
        self._quantizer = self._searcher()

    @abstractmethod
    def _searcher(self) -> Any:
        """Faiss's quantizer with these codebooks."""

    @abstractmethod
    def _sum(self, codes: np.ndarray) -> np.ndarray:
        """Vectors float32 (n, d) of codes, before the transform is undone."""

    @property
    def bytes_per_vector(self) -> int:
        """One byte per codebook."""
        return self.codebooks.shape[0]

    @property
    def shared_bytes(self) -> int:
        """Bytes of the codebooks, and of the transform."""
        return self.codebooks.nbytes + (self.transform.nbytes if self.transform else 0)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, M) uint8."""
        vectors = np.asarray(embeddings)
        if self.transform:
            vectors = self.transform.apply(vectors)
        return self._quantizer.compute_codes(np.ascontiguousarray(vectors, dtype=np.float32))

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, M) uint8 → (n_users, d) float32."""
        vectors = self._sum(np.asarray(codes))
        return self.transform.undo(vectors) if self.transform else vectors

    def _arguments(self) -> dict[str, Any]:
        return {"codebooks": self.codebooks, "transform": self.transform}


def code_usage(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How evenly each codebook is used.

    Parameters
    ----------
    codes : uint8 (n_users, M)

    Returns
    -------
    perplexity : float64 (M,), 2 to the entropy of the codes: 256 where all are used alike
    dead : int64 (M,), codes that no user has
    """
    counts = np.stack([np.bincount(column, minlength=CODES) for column in codes.T])  # (M, 256)
    shares = counts / len(codes)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return 2.0 ** -(shares * logs).sum(axis=1), (counts == 0).sum(axis=1)
