"""Product quantization: chunks of the vector, each with its own codebook (Jégou et al. 2011), with faiss."""

from pathlib import Path

import faiss
import numpy as np
from scipy.sparse import csr_array

from stages.errors import UserError
from stages.quantizers.codec import Embeddings

CODES = 256  # per codebook: 8 bits a code, which the sizes in the paper's Table 1 imply (faiss: ksub)


class ProductCodec:
    """One byte per chunk: the number of its nearest code (faiss: M chunks of dsub dimensions).

    Parameters
    ----------
    codebooks : float32 (chunks, 256, width of a chunk)
    """

    def __init__(self, codebooks: np.ndarray) -> None:
        chunks, codes, width = codebooks.shape
        if codes != CODES:
            raise ValueError(f"codebooks of {codes} codes, expected {CODES}")
        self.codebooks = np.ascontiguousarray(codebooks, dtype=np.float32)
        self._quantizer = _quantizer(chunks, chunks * width)
        faiss.copy_array_to_vector(self.codebooks.ravel(), self._quantizer.centroids)

    @property
    def bytes_per_vector(self) -> int:
        """One byte per chunk."""
        return self.codebooks.shape[0]

    @property
    def shared_bytes(self) -> int:
        """Bytes of the codebooks."""
        return self.codebooks.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, d) float32 → (n_users, chunks) uint8."""
        return self._quantizer.compute_codes(np.ascontiguousarray(embeddings, dtype=np.float32))

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n_users, chunks) uint8 → (n_users, d) float32."""
        return self._quantizer.decode(np.ascontiguousarray(codes))

    def save(self, path: Path) -> None:
        """Write the codebooks as NPZ."""
        with path.open("wb") as file:
            np.savez(file, codebooks=self.codebooks)

    @classmethod
    def load(cls, path: Path) -> "ProductCodec":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["codebooks"])


def fit_codebooks(vectors: np.ndarray, chunks: int, seed: int) -> np.ndarray:
    """K-means in every chunk, on all vectors.

    Parameters
    ----------
    vectors : float32 (n, d), d a multiple of `chunks`
    seed : of k-means' first centroids

    Returns
    -------
    codebooks : float32 (chunks, 256, d / chunks)

    Raises
    ------
    UserError
        where there are fewer vectors than codes, or one is not finite.
    """
    n, width = vectors.shape
    if n < CODES:
        raise UserError(f"{CODES} codes need at least as many train users, this split has {n}; lower held_out_users")
    if not np.isfinite(vectors).all():
        raise UserError("the embeddings hold NaN or infinite values: the training went wrong; lower learning_rate")
    quantizer = _quantizer(chunks, width)
    quantizer.cp.seed = seed
    quantizer.cp.min_points_per_centroid = 1  # no warning on standard error: small sets are said in the report
    quantizer.cp.max_points_per_centroid = -(-n // CODES)  # faiss drops all beyond 256 unless told
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return faiss.vector_to_array(quantizer.centroids).reshape(chunks, CODES, width // chunks)


def code_usage(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How evenly each codebook is used.

    Parameters
    ----------
    codes : uint8 (n_users, chunks)

    Returns
    -------
    perplexity : float64 (chunks,), 2 to the entropy of the codes: 256 where all are used alike
    dead : int64 (chunks,), codes that no user has
    """
    counts = np.stack([np.bincount(chunk, minlength=CODES) for chunk in codes.T])  # (chunks, 256)
    shares = counts / len(codes)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return 2.0 ** -(shares * logs).sum(axis=1), (counts == 0).sum(axis=1)


def _quantizer(chunks: int, width: int) -> faiss.ProductQuantizer:
    return faiss.ProductQuantizer(width, chunks, 8)
