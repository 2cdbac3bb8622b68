"""Residual quantization: each codebook takes what the ones before have left (Chen et al. 2010), with faiss."""

from typing import Any, Self

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors, quiet_clustering
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings


class ResidualCodec(CodebookCodec):
    """One byte per codebook; the vector is the sum of its codes, and the first bytes of a code are a code.

    Parameters
    ----------
    codebooks : float32 (M, 256, d)
    beam : how many partial codes the encoder keeps; 1 is greedy
    transform : a change of the metric, if any
    kept : of the M bytes, the first that are stored; all by default
    """

    def __init__(
        self, codebooks: np.ndarray, beam: int, transform: Transform | None = None, kept: int | None = None
    ) -> None:
        self.beam = int(beam)
        self.kept = len(codebooks) if kept is None else int(kept)
        super().__init__(codebooks, transform)

    def _searcher(self) -> faiss.ResidualQuantizer:
        quantizer = _quantizer(self.codebooks.shape[2], len(self.codebooks), self.beam)
        faiss.copy_array_to_vector(self.codebooks.ravel(), quantizer.codebooks)
        quantizer.is_trained = True
        return quantizer

    def prefix(self, n_bytes: int) -> Self:
        """Stores just the first bytes of this codec's codes."""
        return type(self)(self.codebooks, self.beam, self.transform, n_bytes)

    @property
    def bytes_per_vector(self) -> int:
        """Those that are kept."""
        return self.kept

    @property
    def shared_bytes(self) -> int:
        """Bytes of the codebooks that decoding needs, and of the transform."""
        return self.codebooks[: self.kept].nbytes + (self.transform.nbytes if self.transform else 0)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, kept) uint8."""
        return np.ascontiguousarray(super().encode(embeddings)[:, : self.kept])

    def _sum(self, codes: np.ndarray) -> np.ndarray:
        """Codes of any length up to M."""
        total = np.zeros((len(codes), self.codebooks.shape[2]), dtype=np.float32)
        for codebook, column in zip(self.codebooks, codes.T, strict=False):
            total += codebook[column]
        return total

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "beam": self.beam, "kept": self.kept}


def fit_residual(vectors: np.ndarray, n_codebooks: int, beam: int, seed: int) -> np.ndarray:
    """K-means of what is left of the vectors, codebook after codebook, with a beam search in between.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_codebooks : bytes of the code
    beam : how many partial codes of each vector are kept
    seed : of k-means' first centroids

    Returns
    -------
    codebooks : float32 (n_codebooks, 256, d)

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    n, width = vectors.shape
    quantizer = _quantizer(width, n_codebooks, beam)
    quiet_clustering(quantizer.cp, n * beam, seed)
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return faiss.vector_to_array(quantizer.codebooks).reshape(n_codebooks, CODES, width)


def _quantizer(width: int, n_codebooks: int, beam: int) -> faiss.ResidualQuantizer:
    quantizer = faiss.ResidualQuantizer(width, n_codebooks, 8)
    quantizer.max_beam_size = beam
    return quantizer
