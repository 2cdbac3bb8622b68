"""Additive quantization with faiss: sums of codes, all codebooks fitted jointly (Martinez et al. 2018)."""

from typing import Any

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.fitted import FittedCodec
from stages.codebooks.residual import beam_search, sum_of_codes
from stages.config.quantizer import AdditiveSettings
from stages.config.strict import Variant
from stages.interfaces.codec import Embeddings

MOST_SWEEPS = 10
TRAIN_ITERATIONS = 10  # of 25 in faiss, the last 15 take most of the time and fit unseen users no better


class AdditiveCodec(CodebookCodec):
    """Stores one byte per codebook, as residual codes do, but refines each code given all others.

    Encoding starts with a beam search. Then each codebook in turn takes its best code given the other codes, until no
    code changes or after `MOST_SWEEPS` sweeps. faiss's own local search draws from one random stream for all vectors,
    so that a code depends on what else is encoded; this search is deterministic. Prefixes of these codes cannot be
    decoded, because the codebooks were fitted to be summed together.

    Parameters
    ----------
    codebooks : float32 (M, 256, d)
    beam : number of partial codes in the beam search
    """

    def __init__(self, codebooks: np.ndarray, beam: int) -> None:
        self.beam = int(beam)
        super().__init__(codebooks, None)

    def _searcher(self) -> faiss.ResidualQuantizer:
        return beam_search(self.codebooks, self.beam)

    def _sum(self, codes: np.ndarray) -> np.ndarray:
        return sum_of_codes(self.codebooks, codes)

    def _spread(self) -> np.ndarray:
        return self.codebooks

    def _arguments(self) -> dict[str, Any]:
        return {"codebooks": self.codebooks, "beam": self.beam}

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


def fit(settings: AdditiveSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit separate codebooks for every number of bytes; see `stages.codecs.fit`."""
    return {n_bytes: fit_additive(vectors, n_bytes, settings.beam, settings.seed) for n_bytes in settings.bytes}


def fit_additive(vectors: np.ndarray, n_codebooks: int, beam: int, seed: int) -> AdditiveCodec:
    """Fit codebooks by alternating local search and least squares.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_codebooks : number of codebooks, which is the bytes per code
    beam : number of partial codes in the encoder's beam search
    seed : seed of the first codes and the perturbations

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    width = vectors.shape[1]
    quantizer = faiss.LocalSearchQuantizer(width, n_codebooks, 8)
    quantizer.random_seed = seed
    quantizer.train_iters = TRAIN_ITERATIONS
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return AdditiveCodec(faiss.vector_to_array(quantizer.codebooks).reshape(n_codebooks, CODES, width), beam)
