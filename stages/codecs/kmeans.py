"""K-means of whole vectors with faiss: a vector is stored as the number of its nearest centroid."""

from typing import Any

import faiss
import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import check_vectors
from stages.codebooks.fitted import FittedCodec
from stages.config.quantizer import KMeansSettings
from stages.config.strict import Variant
from stages.interfaces.codec import Embeddings

MOST_ITERATIONS = 100
STOP_BELOW = 1e-4  # share of the error that an iteration has to gain


class KMeansCodec(FittedCodec):
    """Stores one number per vector, in 1 to 4 bytes.

    Parameters
    ----------
    centroids : float32 (k, d)
    errors : float64 (n_iterations,), mean squared distance to the centroids before each iteration of the fit
    """

    def __init__(self, centroids: np.ndarray, errors: np.ndarray) -> None:
        if centroids.ndim != 2 or errors.ndim != 1:
            raise ValueError(f"centroids {centroids.shape} and errors {errors.shape}, expected (k, d) and (n,)")
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)
        self.fit_errors = errors.tolist()

    @property
    def bytes_per_vector(self) -> int:
        """Bytes that the largest number needs."""
        return bytes_of(len(self.centroids))

    @property
    def shared_bytes(self) -> int:
        """Bytes of the centroids."""
        return self.centroids.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        vectors = np.asarray(self._fitting(embeddings, self.centroids.shape[1]))
        return packed(nearest(vectors, self.centroids), self.bytes_per_vector)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        return self.centroids[unpacked(np.asarray(codes))]

    def _arguments(self) -> dict[str, Any]:
        return {"centroids": self.centroids, "errors": np.array(self.fit_errors)}


def fit(settings: KMeansSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit each number of centroids; see `stages.codecs.fit`."""
    return {f"k{k}": fit_kmeans(vectors, k, settings.seed) for k in settings.codes}


def fit_kmeans(vectors: np.ndarray, k: int, seed: int) -> KMeansCodec:
    """Run k-means on all vectors.

    It stops after `MOST_ITERATIONS`, or once an iteration lowers the error by less than the share `STOP_BELOW`.

    Parameters
    ----------
    vectors : float32 (n, d)
    k : number of centroids
    seed : seed of the first centroids

    Raises
    ------
    UserError
        where there are fewer vectors than centroids, all are the same, or one is not finite.
    """
    check_vectors(vectors, k)
    return KMeansCodec(*cluster(vectors, k, seed))


def cluster(vectors: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids float32 (k, d), and the mean squared distance to them before each iteration, float64."""
    n, width = vectors.shape
    clustering = faiss.Clustering(width, k)
    clustering.seed = seed
    clustering.niter = MOST_ITERATIONS
    clustering.early_stop_threshold = STOP_BELOW
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = n  # else faiss samples 256 per centroid
    clustering.train(np.ascontiguousarray(vectors, dtype=np.float32), faiss.IndexFlatL2(width))
    steps = clustering.iteration_stats
    errors = np.array([steps.at(number).obj for number in range(steps.size())]) / n
    return faiss.vector_to_array(clustering.centroids).reshape(k, width), errors


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Number of the centroid nearest to each vector, int64 (n,); vectors : float32 (n, d)."""
    if not len(vectors):
        return np.zeros(0, dtype=np.int64)
    return faiss.knn(np.ascontiguousarray(vectors, dtype=np.float32), centroids, 1)[1][:, 0]


def bytes_of(k: int) -> int:
    """Bytes that the number k − 1 needs, at least 1."""
    return max(1, ((k - 1).bit_length() + 7) // 8)


def packed(numbers: np.ndarray, n_bytes: int) -> np.ndarray:
    """Codes uint8 (n, n_bytes): the lowest bytes of each number; numbers : int64 (n,)."""
    return numbers.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :n_bytes].copy()


def unpacked(codes: np.ndarray) -> np.ndarray:
    """Numbers uint32 (n,) that were packed; codes : uint8 (n, up to 4)."""
    return np.pad(codes, ((0, 0), (0, 4 - codes.shape[1]))).view("<u4")[:, 0]
