"""The search for the codes of vectors: the nearest code of every chunk, or a sum of codes along a beam."""

import numpy as np

from stages.run.compiled import shared_out
from stages.search import kernels
from stages.search.kernels import CODES


class NearestCodes:
    """Encodes each chunk of a vector by the nearest code of its codebook.

    Parameters
    ----------
    codebooks : float32 (M, 256, width of a chunk)
    """

    def __init__(self, codebooks: np.ndarray) -> None:
        self._codes = _side_by_side(codebooks)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors float32 (n, M · width) → codes uint8 (n, M)."""
        chunks = np.ascontiguousarray(vectors, np.float32).reshape(len(vectors), len(self._codes), -1)
        nearest = np.empty(chunks.shape[:2], np.uint8)
        shared_out(len(vectors), lambda start, end: kernels.nearest_codes(chunks, self._codes, start, end, nearest))
        return nearest


class BeamSearch:
    """Encodes a vector as a sum of codes, one of each codebook in turn, keeping the best partial codes.

    What a code changes in the distances to the codes of a later codebook is read from a table: 50 MB for 20 codebooks.

    Parameters
    ----------
    codebooks : float32 (M, 256, d)
    beam : number of partial codes that are kept
    """

    def __init__(self, codebooks: np.ndarray, beam: int) -> None:
        n_codebooks = len(codebooks)
        self._codebooks, self._beam = np.ascontiguousarray(codebooks), beam
        self._codes, self._norms = _side_by_side(codebooks), np.square(codebooks).sum(2)
        # One array for all pairs of codebooks: to a large one, the operating system gives large pages. A single partial
        # code needs none of them.
        n_pairs = n_codebooks * (n_codebooks - 1) // 2 if beam > 1 else 0
        self._crossed = np.empty((n_pairs, CODES, CODES), np.float32)
        # In float64: rounded to float32, the products of two codes that are the same are then the same.
        precise = self._codebooks.astype(np.float64)
        for level in range(1, n_codebooks if n_pairs else 0):
            earlier = precise[:level].reshape(level * CODES, -1)
            pairs = self._crossed[level * (level - 1) // 2 :][:level]
            pairs[:] = (earlier @ (2 * precise[level].T)).reshape(pairs.shape)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors float32 (n, d) → codes uint8 (n, M)."""
        return self.candidates(vectors, 1)[:, 0]

    def candidates(self, vectors: np.ndarray, n_kept: int | None = None) -> np.ndarray:
        """The codes that are kept at the end, best first, uint8 (n, n_kept, M).

        Parameters
        ----------
        vectors : float32 (n, d)
        n_kept : how many of them; all that the beam holds by default
        """
        n_codebooks = len(self._codebooks)
        most = min(self._beam, CODES**n_codebooks)
        rest = np.array(vectors, np.float32, order="C")
        found = np.empty((len(rest), n_kept or most, n_codebooks), np.uint8)
        arrays = (rest, self._codebooks, self._codes, self._norms, self._crossed, self._beam)
        shared_out(len(rest), lambda start, end: kernels.search_beams(*arrays, start, end, found))
        return found


def _side_by_side(codebooks: np.ndarray) -> np.ndarray:
    """float32 (M, 256, width) → (M, width, 256)."""
    return np.ascontiguousarray(codebooks.transpose(0, 2, 1))
