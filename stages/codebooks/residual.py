"""Residual quantization: each codebook encodes the residual of those before it (Chen et al. 2010)."""

from copy import copy
from typing import Any, Self

import faiss
import numpy as np
import torch

from stages.codebooks.clustering import CODES, check_vectors, nearest_codes, wide_k_means
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings

ITERATIONS = 10  # of k-means, in each codebook


class ResidualCodec(CodebookCodec):
    """Stores one byte per codebook; a vector is decoded as the sum of its codes.

    Any prefix of a code can be decoded too, with a larger error.

    Parameters
    ----------
    codebooks : float32 (M, 256, d)
    beam : number of partial codes in the encoder's beam search; 1 is greedy
    transform : linear map applied before quantization, which changes the metric, or None
    n_bytes : length of the stored prefix, from 1 to M; M by default
    """

    def __init__(
        self, codebooks: np.ndarray, beam: int, transform: Transform | None = None, n_bytes: int | None = None
    ) -> None:
        self.beam = int(beam)
        super().__init__(codebooks, transform)
        self.n_bytes = self._checked(self.n_codebooks if n_bytes is None else n_bytes)

    def _checked(self, n_bytes: int) -> int:
        if not 1 <= n_bytes <= self.n_codebooks:
            raise ValueError(f"a prefix of {n_bytes} codes, expected 1 to {self.n_codebooks}")
        return int(n_bytes)

    def _searcher(self) -> faiss.ResidualQuantizer:
        return beam_search(self.codebooks, self.beam)

    def prefix(self, n_bytes: int) -> Self:
        """A codec that stores only the first `n_bytes` bytes of each code, found by the search for the whole code."""
        shorter = copy(self)
        shorter.n_bytes = self._checked(n_bytes)
        return shorter

    @property
    def bytes_per_vector(self) -> int:
        """Length of the stored prefix."""
        return self.n_bytes

    @property
    def shared_bytes(self) -> int:
        """Bytes of the transform, and of the codebooks needed to decode the prefix."""
        return self.codebooks[: self.n_bytes].nbytes + (self.transform.nbytes if self.transform else 0)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, n_bytes) uint8."""
        return np.ascontiguousarray(super().encode(embeddings)[:, : self.n_bytes])

    def _sum(self, codes: np.ndarray) -> np.ndarray:
        return sum_of_codes(self.codebooks, codes)

    def _spread(self) -> np.ndarray:
        return self.codebooks[: self.n_bytes]

    def _arguments(self) -> dict[str, Any]:
        return {**super()._arguments(), "beam": self.beam, "n_bytes": self.n_bytes}


def fit_residual(vectors: np.ndarray, n_codebooks: int, seed: int) -> np.ndarray:
    """Fit one codebook after the other, by k-means of what the nearest codes of those before have left.

    Codes may well be searched by a beam afterwards.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_codebooks : number of codebooks, which is the bytes per code
    seed : seed of the first centroids, and of a sample where there are more than 65,536 vectors

    Returns
    -------
    codebooks : float32 (n_codebooks, 256, d)

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    rest = torch.from_numpy(np.array(vectors, dtype=np.float32))
    generator = np.random.default_rng(seed)
    codebooks = torch.empty(n_codebooks, CODES, rest.shape[1])
    for codebook in codebooks:
        codebook.copy_(wide_k_means(rest, ITERATIONS, generator))
        rest -= codebook[nearest_codes(rest, codebook)[0]]
    return codebooks.numpy()


def beam_search(codebooks: np.ndarray, beam: int) -> faiss.ResidualQuantizer:
    """The faiss quantizer that encodes with these codebooks by beam search; codebooks : float32 (M, 256, d)."""
    n_codebooks, _, width = codebooks.shape
    quantizer = faiss.ResidualQuantizer(width, n_codebooks, 8)
    quantizer.max_beam_size = beam
    faiss.copy_array_to_vector(codebooks.ravel(), quantizer.codebooks)
    quantizer.is_trained = True
    quantizer.use_beam_LUT = 1  # distances from tables: the same codes but for rounding, in a third of the time
    quantizer.compute_codebook_tables()
    return quantizer


def sum_of_codes(codebooks: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Decode codes or their prefixes as sums, float32 (n, d).

    Parameters
    ----------
    codebooks : float32 (M, 256, d)
    codes : uint8 (n, up to M), one column for each of the first codebooks
    """
    total = np.zeros((len(codes), codebooks.shape[2]), dtype=np.float32)
    for codebook, column in zip(codebooks, codes.T, strict=False):
        total += codebook[column]
    return total
