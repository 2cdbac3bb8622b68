"""Hierarchical k-means: a vector is stored as the number of a leaf (Nistér & Stewénius 2006)."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.clustering import check_vectors
from stages.codebooks.fitted import FittedCodec
from stages.codecs.kmeans import bytes_of, cluster, nearest, packed, unpacked
from stages.config.quantizer import TreeSettings
from stages.config.strict import Variant
from stages.interfaces.codec import Embeddings


class TreeCodec(FittedCodec):
    """Stores the number of a leaf, reached by taking the nearest branch on each level.

    Encoding compares a vector with depth · branches centroids instead of branches ** depth.

    Parameters
    ----------
    leaves : float32 (branches ** depth, d); leaves of one parent are adjacent
    inner : float32 (number of inner nodes without the root, d), level by level
    branches : number of branches of every node
    """

    def __init__(self, leaves: np.ndarray, inner: np.ndarray, branches: int) -> None:
        self.leaves = np.ascontiguousarray(leaves, dtype=np.float32)
        self.inner = np.ascontiguousarray(inner, dtype=np.float32)
        self.branches = int(branches)
        if self.leaves.ndim != 2 or self.branches < 2:
            raise ValueError(f"leaves {self.leaves.shape} of {branches} branches, expected (n, d) of 2 or more")
        sizes = [self.branches]  # of the levels
        while sizes[-1] < len(self.leaves):
            sizes.append(sizes[-1] * self.branches)
        if sizes.pop() != len(self.leaves) or self.inner.shape != (sum(sizes), self.leaves.shape[1]):
            raise ValueError(f"leaves {self.leaves.shape} and inner {self.inner.shape} of {branches} branches")

    @property
    def bytes_per_vector(self) -> int:
        """Bytes that the largest leaf number needs."""
        return bytes_of(len(self.leaves))

    @property
    def shared_bytes(self) -> int:
        """Bytes of the leaves, and of the inner nodes, which only encoding needs."""
        return self.leaves.nbytes + self.inner.nbytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""
        vectors = np.asarray(self._fitting(embeddings, self.leaves.shape[1]))
        numbers = np.zeros(len(vectors), dtype=np.int64)
        for level in self._levels():
            numbers = _descend(vectors, numbers, level.reshape(-1, self.branches, level.shape[1]))
        return packed(numbers, self.bytes_per_vector)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""
        return self.leaves[unpacked(np.asarray(codes))]

    def _levels(self) -> list[np.ndarray]:
        levels, start, size = [], 0, self.branches
        while size < len(self.leaves):
            levels.append(self.inner[start : start + size])
            start, size = start + size, size * self.branches
        return [*levels, self.leaves]

    def _arguments(self) -> dict[str, Any]:
        return {"leaves": self.leaves, "inner": self.inner, "branches": self.branches}


def fit(settings: TreeSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit one tree; see `stages.codecs.fit`."""
    return {None: fit_tree(vectors, settings.branches, settings.depth, settings.seed)}


def fit_tree(vectors: np.ndarray, branches: int, depth: int, seed: int) -> TreeCodec:
    """Run k-means on all vectors, then on the vectors nearest to each centroid, and so on.

    A node with no more vectors than branches takes these vectors as its branches, repeated to fill all branches; a node
    without vectors repeats its own centroid.

    Parameters
    ----------
    vectors : float32 (n, d)
    branches : number of branches of every node
    depth : number of levels below the root
    seed : seed of the first centroids of every node

    Raises
    ------
    UserError
        where there are fewer vectors than leaves, all are the same, or one is not finite.
    """
    check_vectors(vectors, branches**depth)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    numbers = np.zeros(len(vectors), dtype=np.int64)
    nodes = vectors.mean(0, keepdims=True)  # centroids of the level above
    levels = []
    for _ in range(depth):
        level = np.empty((len(nodes), branches, vectors.shape[1]), dtype=np.float32)
        for number, node in enumerate(nodes):
            members = vectors[numbers == number]
            if len(members) > branches:
                level[number] = cluster(members, branches, seed)[0]
            else:
                level[number] = np.resize(members if len(members) else node[None], level[number].shape)
        numbers = _descend(vectors, numbers, level)
        nodes = level.reshape(-1, vectors.shape[1])
        levels.append(nodes)
    inner = np.concatenate([vectors[:0], *levels[:-1]])
    return TreeCodec(levels[-1], inner, branches)


def _descend(vectors: np.ndarray, nodes: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Number of the branch nearest to each vector, among its node's.

    Parameters
    ----------
    nodes : int64 (n,), node of each vector
    level : float32 (number of nodes, branches, d)

    Returns
    -------
    int64 (n,), branches numbered through all nodes
    """
    numbers = np.empty_like(nodes)
    order = np.argsort(nodes, kind="stable")
    bounds = np.searchsorted(nodes[order], np.arange(len(level) + 1))
    for number in np.unique(nodes):
        rows = order[bounds[number] : bounds[number + 1]]
        numbers[rows] = number * level.shape[1] + nearest(vectors[rows], level[number])
    return numbers
