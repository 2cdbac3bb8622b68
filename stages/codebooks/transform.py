"""Linear maps of vectors that make them better to quantize."""

from dataclasses import dataclass

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors, quiet_clustering

RIDGE = 1e-3  # of the mean eigenvalue: directions that hardly change a score stay invertible


@dataclass(frozen=True)
class Transform:
    """A linear map of vectors in rows, perhaps to fewer dimensions, and what undoes it as well as can be."""

    into: np.ndarray
    """float32 (d, k)"""
    back: np.ndarray
    """float32 (k, d)"""
    mean: np.ndarray | None = None
    """float32 (d,), taken off first, if anything is."""

    @property
    def nbytes(self) -> int:
        """Stored once: one matrix gives the other."""
        return self.into.nbytes + (0 if self.mean is None else self.mean.nbytes)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) → (n, k)."""
        return (vectors if self.mean is None else vectors - self.mean) @ self.into

    def undo(self, vectors: np.ndarray) -> np.ndarray:
        """(n, k) → (n, d)."""
        wide = vectors @ self.back
        return wide if self.mean is None else wide + self.mean


def fit_rotation(vectors: np.ndarray, chunks: int, seed: int) -> Transform:
    """The rotation that loses least when chunks are quantized after it (OPQ: Ge et al. 2013), with faiss.

    Parameters
    ----------
    vectors : float32 (n, d), d a multiple of `chunks`
    seed : of k-means

    Raises
    ------
    UserError
        where there are fewer vectors than codes, or one is not finite.
    """
    check_vectors(vectors, CODES)
    n, width = vectors.shape
    rotation = faiss.OPQMatrix(width, chunks)
    rotation.max_train_points = n
    quantizer = faiss.ProductQuantizer(width, chunks, 8)
    quiet_clustering(quantizer.cp, n, seed)
    rotation.pq = quantizer
    rotation.train(np.ascontiguousarray(vectors))
    matrix = faiss.vector_to_array(rotation.A).reshape(width, width)  # of faiss's x ↦ A x
    return Transform(np.ascontiguousarray(matrix.T), matrix)


def fit_principal(vectors: np.ndarray, dimensions: int) -> Transform:
    """The directions of the greatest variance (PCA), with faiss.

    Parameters
    ----------
    vectors : float32 (n, d)
    dimensions : that are kept

    Raises
    ------
    UserError
        where there are fewer vectors than dimensions, all are the same, or one is not finite.
    """
    check_vectors(vectors, dimensions)
    width = vectors.shape[1]
    principal = faiss.PCAMatrix(width, dimensions)
    principal.max_points_per_d = -(-len(vectors) // width)  # faiss drops all beyond 1,000 a dimension unless told
    principal.train(np.ascontiguousarray(vectors, dtype=np.float32))
    back = faiss.vector_to_array(principal.A).reshape(dimensions, width)  # of faiss's x ↦ A x + b
    return Transform(np.ascontiguousarray(back.T), back, faiss.vector_to_array(principal.mean))


def decoder_metric(weight: np.ndarray, mean_softmax: np.ndarray) -> Transform:
    """A map whose squared distances are the second-order change of the mean loss, (z − ẑ)ᵀ G (z − ẑ).

    G = (W − p̄W)ᵀ diag(p̄) (W − p̄W) is the mean curvature of the softmax at the mean prediction.

    Parameters
    ----------
    weight : float32 (n_items, d), W of the output layer
    mean_softmax : float32 (n_items,), p̄ over users
    """
    centred = weight - mean_softmax @ weight
    metric = np.asarray(centred.T @ (mean_softmax[:, None] * centred), dtype=np.float64)
    values, vectors = np.linalg.eigh(metric)
    roots = np.sqrt(values.clip(0) + RIDGE * values.mean())
    return Transform(
        ((vectors * roots) @ vectors.T).astype(np.float32), ((vectors / roots) @ vectors.T).astype(np.float32)
    )
