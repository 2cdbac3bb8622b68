"""Whole vectors as the number of their nearest centroid: k-means, and a tree of k-means, with faiss."""

from typing import Any

import faiss
import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import check_vectors
from stages.codebooks.fitted import FittedCodec
from stages.interfaces.codec import Embeddings

MOST_ITERATIONS = 100
STOP_BELOW = 1e-4  # of the error, that an iteration has to gain


class KMeansCodec(FittedCodec):
    """One number per vector, in 1 to 4 whole bytes.

    Parameters
    ----------
    centroids : float32 (k, d)
    errors : float64 (iterations,), mean squared distance to the centroids before each iteration of the fit
    """

    def __init__(self, centroids: np.ndarray, errors: np.ndarray) -> None:
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)
        self.errors = errors

    @property
    def bytes_per_vector(self) -> int:
        """As many whole bytes as the largest number needs."""
        return _bytes_of(len(self.centroids))

    @property
    def shared_bytes(self) -> int:
        """Of the centroids."""
        return self.centroids.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        return _packed(_nearest(np.asarray(embeddings), self.centroids), self.bytes_per_vector)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        return self.centroids[_unpacked(np.asarray(codes))]

    def _arguments(self) -> dict[str, Any]:
        return {"centroids": self.centroids, "errors": self.errors}


class TreeCodec(FittedCodec):
    """The number of a leaf: on each level the nearest of a node's few branches (Nistér & Stewénius 2006).

    Encoding compares with depth · branches centroids instead of branches ** depth.

    Parameters
    ----------
    leaves : float32 (branches ** depth, d), those under a node side by side
    inner : float32 (all inner nodes but the root, d), level by level
    branches : of every node
    """

    def __init__(self, leaves: np.ndarray, inner: np.ndarray, branches: int) -> None:
        self.leaves = np.ascontiguousarray(leaves, dtype=np.float32)
        self.inner = np.ascontiguousarray(inner, dtype=np.float32)
        self.branches = int(branches)

    @property
    def bytes_per_vector(self) -> int:
        """As many whole bytes as the largest number needs."""
        return _bytes_of(len(self.leaves))

    @property
    def shared_bytes(self) -> int:
        """Of the leaves, and of the inner nodes that encoding needs."""
        return self.leaves.nbytes + self.inner.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        vectors = np.asarray(embeddings)
        numbers = np.zeros(len(vectors), dtype=np.int64)
        for level in self._levels():
            numbers = _descend(vectors, numbers, level.reshape(-1, self.branches, level.shape[1]))
        return _packed(numbers, self.bytes_per_vector)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        return self.leaves[_unpacked(np.asarray(codes))]

    def _levels(self) -> list[np.ndarray]:
        levels, start, size = [], 0, self.branches
        while size < len(self.leaves):
            levels.append(self.inner[start : start + size])
            start, size = start + size, size * self.branches
        return [*levels, self.leaves]

    def _arguments(self) -> dict[str, Any]:
        return {"leaves": self.leaves, "inner": self.inner, "branches": self.branches}


def fit_kmeans(vectors: np.ndarray, k: int, seed: int) -> KMeansCodec:
    """K-means on all vectors, until an iteration gains less than `STOP_BELOW` of the error.

    Parameters
    ----------
    vectors : float32 (n, d)
    seed : of the first centroids

    Raises
    ------
    UserError
        where there are fewer vectors than centroids, all are the same, or one is not finite.
    """
    check_vectors(vectors, k)
    return KMeansCodec(*_cluster(vectors, k, seed))


def fit_tree(vectors: np.ndarray, branches: int, depth: int, seed: int) -> TreeCodec:
    """K-means of all vectors, then of those nearest to each centroid, and so on.

    A node with no more vectors than branches has them as its branches, some of them more than once.

    Parameters
    ----------
    vectors : float32 (n, d)
    seed : of the first centroids of every node

    Raises
    ------
    UserError
        where there are fewer vectors than leaves, all are the same, or one is not finite.
    """
    check_vectors(vectors, branches**depth)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    numbers = np.zeros(len(vectors), dtype=np.int64)
    nodes = vectors.mean(0, keepdims=True)  # of the level above
    levels = []
    for _ in range(depth):
        level = np.empty((len(nodes), branches, vectors.shape[1]), dtype=np.float32)
        for number, node in enumerate(nodes):
            part = vectors[numbers == number]
            if len(part) > branches:
                level[number] = _cluster(part, branches, seed)[0]
            else:
                level[number] = np.resize(part if len(part) else node[None], level[number].shape)
        numbers = _descend(vectors, numbers, level)
        nodes = level.reshape(-1, vectors.shape[1])
        levels.append(nodes)
    inner = np.concatenate([vectors[:0], *levels[:-1]])
    return TreeCodec(levels[-1], inner, branches)


def _cluster(vectors: np.ndarray, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids, and the mean squared distance to them before each iteration."""
    n, width = vectors.shape
    clustering = faiss.Clustering(width, k)
    clustering.seed = seed
    clustering.niter = MOST_ITERATIONS
    clustering.early_stop_threshold = STOP_BELOW
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = n  # faiss drops all beyond 256 a centroid unless told
    clustering.train(np.ascontiguousarray(vectors, dtype=np.float32), faiss.IndexFlatL2(width))
    steps = clustering.iteration_stats
    errors = np.array([steps.at(number).obj for number in range(steps.size())]) / n
    return faiss.vector_to_array(clustering.centroids).reshape(k, width), errors


def _nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """int64 (n,)."""
    if not len(vectors):
        return np.zeros(0, dtype=np.int64)
    return faiss.knn(np.ascontiguousarray(vectors, dtype=np.float32), centroids, 1)[1][:, 0]


def _descend(vectors: np.ndarray, nodes: np.ndarray, level: np.ndarray) -> np.ndarray:
    """From each vector's node to the nearest of its branches; level : float32 (nodes, branches, d)."""
    found = np.empty_like(nodes)
    order = np.argsort(nodes, kind="stable")
    bounds = np.searchsorted(nodes[order], np.arange(len(level) + 1))
    for number in np.unique(nodes):
        rows = order[bounds[number] : bounds[number + 1]]
        found[rows] = number * level.shape[1] + _nearest(vectors[rows], level[number])
    return found


def _bytes_of(k: int) -> int:
    return max(1, ((k - 1).bit_length() + 7) // 8)


def _packed(numbers: np.ndarray, n_bytes: int) -> np.ndarray:
    """The lowest bytes of each number."""
    return numbers.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :n_bytes].copy()


def _unpacked(codes: np.ndarray) -> np.ndarray:
    return np.pad(codes, ((0, 0), (0, 4 - codes.shape[1]))).view("<u4")[:, 0]
