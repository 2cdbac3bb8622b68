"""Linear maps applied to vectors before quantization, to lower its error."""

from dataclasses import dataclass

import faiss
import numpy as np

from stages.codebooks.clustering import CODES, check_vectors, quiet_clustering

ITERATIONS = 5  # of OPQ
SMALLEST_SHARE = 1e-9  # of the largest variance; what is below it is rounding
RIDGE = 1e-3  # share of the mean eigenvalue, so that directions that hardly change a score stay invertible


@dataclass(frozen=True)
class Transform:
    """A linear map of row vectors from d to k ≤ d dimensions, and the map back."""

    into: np.ndarray
    """float32 (d, k), applied before quantization."""
    back: np.ndarray
    """float32 (k, d), applied after decoding: the inverse of `into`, or its transpose for k < d (PCA)."""
    mean: np.ndarray | None = None
    """float32 (d,), subtracted before `into` and added after `back`; or None."""

    def __post_init__(self) -> None:
        """Check that the shapes fit together."""
        if self.into.ndim != 2 or self.back.shape != self.into.shape[::-1]:
            raise ValueError(f"maps {self.into.shape} and {self.back.shape}, expected (d, k) and (k, d)")
        if self.mean is not None and self.mean.shape != self.into.shape[:1]:
            raise ValueError(f"mean {self.mean.shape}, expected {self.into.shape[:1]}")

    @property
    def nbytes(self) -> int:
        """Bytes of `into` and `mean`; `back` is not counted, as it can be computed from `into`."""
        return self.into.nbytes + (0 if self.mean is None else self.mean.nbytes)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n, d) → (n, k)."""
        return (vectors if self.mean is None else vectors - self.mean) @ self.into

    def undo(self, vectors: np.ndarray) -> np.ndarray:
        """(n, k) → (n, d)."""
        wide = vectors @ self.back
        return wide if self.mean is None else wide + self.mean


def fit_rotation(vectors: np.ndarray, chunks: int, seed: int) -> Transform:
    """Fit the rotation that lowers the error of product quantization (OPQ: Ge et al. 2013), with faiss.

    It starts from the parametric solution (section 3.3 there), as the paper advises. From faiss's own start, a random
    rotation, ten times as many iterations end at a higher error.

    Parameters
    ----------
    vectors : float32 (n, d), d a multiple of `chunks`
    chunks : number of chunks per vector
    seed : seed of k-means

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    check_vectors(vectors, CODES)
    n, width = vectors.shape
    rotation = faiss.OPQMatrix(width, chunks)
    rotation.niter = ITERATIONS
    rotation.max_train_points = n
    faiss.copy_array_to_vector(balanced_axes(vectors, chunks).ravel(), rotation.A)
    quantizer = faiss.ProductQuantizer(width, chunks, 8)
    quiet_clustering(quantizer.cp, n, seed)
    rotation.pq = quantizer
    rotation.train(np.ascontiguousarray(vectors))
    matrix = faiss.vector_to_array(rotation.A).reshape(width, width)  # faiss maps column vectors, x ↦ A x
    return Transform(np.ascontiguousarray(matrix.T), matrix)


def balanced_axes(vectors: np.ndarray, chunks: int) -> np.ndarray:
    """Principal axes, ordered so that all chunks have about the same product of variances (Ge et al. 2013, 3.3).

    Parameters
    ----------
    vectors : float32 (n, d), d a multiple of `chunks`
    chunks : number of chunks per vector

    Returns
    -------
    float32 (d, d), an orthonormal axis in each row, chunk after chunk
    """
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(vectors.T, dtype=np.float64)))
    # Above 0 even for the smallest, so that a chunk grows with each of its axes.
    gains = np.log(np.maximum(variances, variances[-1] * SMALLEST_SHARE) / variances[-1] / SMALLEST_SHARE)
    width = vectors.shape[1] // chunks
    members: list[list[int]] = [[] for _ in range(chunks)]
    filled = np.zeros(chunks)
    for axis in np.argsort(-variances, kind="stable"):
        chunk = min((c for c in range(chunks) if len(members[c]) < width), key=lambda c: filled[c])
        members[chunk].append(int(axis))
        filled[chunk] += gains[axis]
    return np.ascontiguousarray(axes[:, np.concatenate(members)].T.astype(np.float32))


def decoder_metric(weight: np.ndarray, mean_softmax: np.ndarray) -> Transform:
    """A map after which squared distances are (z − ẑ)ᵀ G (z − ẑ), up to a small ridge.

    G = (W − p̄W)ᵀ diag(p̄) (W − p̄W) is the curvature of the loss per interaction at the mean prediction p̄. So half this
    distance approximates the change of that loss to second order.

    Parameters
    ----------
    weight : float32 (n_items, d), weights W of the output layer
    mean_softmax : float32 (n_items,), mean p̄ of the softmax over users
    """
    centred = weight - mean_softmax @ weight
    metric = np.asarray(centred.T @ (mean_softmax[:, None] * centred), dtype=np.float64)
    values, vectors = np.linalg.eigh(metric)
    roots = np.sqrt(values.clip(0) + RIDGE * values.mean())
    return Transform(
        ((vectors * roots) @ vectors.T).astype(np.float32), ((vectors / roots) @ vectors.T).astype(np.float32)
    )
