"""Additive quantization: a sum of codes, all codebooks fitted together (Martinez et al. 2018), with faiss."""

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors
from stages.codebooks.residual import ResidualCodec
from stages.interfaces.codec import Embeddings

MOST_SWEEPS = 10


class AdditiveCodec(ResidualCodec):
    """One byte per codebook, as residual codes, but each code is chosen with all others in view.

    A beam search, then each codebook's best code given the others', in turn, until none changes. faiss's own local
    search draws at random from one stream for all vectors, so that codes depend on what else is encoded; this does not.
    """

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, M) uint8."""
        codes = super().encode(embeddings)
        rest = np.asarray(embeddings, dtype=np.float32) - self.decode(codes)
        half_norms = np.square(self.codebooks).sum(2) / 2  # (M, K)
        active = np.arange(len(codes))
        for _ in range(MOST_SWEEPS):
            before = codes[active].copy()
            for number, codebook in enumerate(self.codebooks):
                without = rest[active] + codebook[codes[active, number]]
                best = (half_norms[number] - without @ codebook.T).argmin(1)
                codes[active, number] = best
                rest[active] = without - codebook[best]
            active = active[(codes[active] != before).any(1)]
            if not len(active):
                break
        return codes


def fit_additive(vectors: np.ndarray, n_codebooks: int, beam: int, seed: int) -> AdditiveCodec:
    """Codebooks by alternating local search and least squares.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_codebooks : bytes of the code
    beam : of the search that the encoder starts with
    seed : of the first codes and the perturbations

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    width = vectors.shape[1]
    quantizer = faiss.LocalSearchQuantizer(width, n_codebooks, 8)
    quantizer.random_seed = seed
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return AdditiveCodec(faiss.vector_to_array(quantizer.codebooks).reshape(n_codebooks, CODES, width), beam)
