"""Product quantization with faiss: each chunk of a vector has its own codebook (Jégou et al. 2011)."""

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors, quiet_clustering
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.transform import Transform


class ProductCodec(CodebookCodec):
    """Stores one byte per chunk: the number of its nearest code (faiss: M chunks of dsub dimensions).

    Parameters
    ----------
    codebooks : float32 (chunks, 256, width of a chunk)
    transform : rotation applied before the vector is cut into chunks (OPQ), or None
    """

    def __init__(self, codebooks: np.ndarray, transform: Transform | None = None) -> None:
        super().__init__(codebooks, transform)

    def _searcher(self) -> faiss.ProductQuantizer:
        chunks, _, width = self.codebooks.shape
        quantizer = faiss.ProductQuantizer(chunks * width, chunks, 8)
        faiss.copy_array_to_vector(self.codebooks.ravel(), quantizer.centroids)
        return quantizer

    def _sum(self, codes: np.ndarray) -> np.ndarray:
        return self._quantizer.decode(np.ascontiguousarray(codes))

    def _spread(self) -> np.ndarray:
        chunks, n_codes, width = self.codebooks.shape
        spread = np.zeros((chunks, n_codes, chunks, width), np.float32)
        spread[np.arange(chunks), :, np.arange(chunks)] = self.codebooks
        return spread.reshape(chunks, n_codes, -1)


def fit_product(vectors: np.ndarray, chunks: int, seed: int) -> np.ndarray:
    """Fit codebooks by k-means in every chunk, on all vectors.

    Parameters
    ----------
    vectors : float32 (n, d), d a multiple of `chunks`
    chunks : number of chunks per vector
    seed : seed of the first centroids

    Returns
    -------
    codebooks : float32 (chunks, 256, d / chunks)

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    n, width = vectors.shape
    quantizer = faiss.ProductQuantizer(width, chunks, 8)
    quiet_clustering(quantizer.cp, n, seed)
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return faiss.vector_to_array(quantizer.centroids).reshape(chunks, CODES, width // chunks)
