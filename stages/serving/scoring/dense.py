"""Scores by one matrix product: exact, and the measure of the other ways."""

from collections.abc import Sequence

import numpy as np

from stages.serving.package.package import Package
from stages.serving.scoring.best import best
from stages.serving.scoring.scorer import Seen, Top, check_codes, check_n, check_seen

# Scores at once: small enough for a cache, enough users for a fast product.
BLOCK_BYTES = 2**24


class Dense:
    """Decodes the users and multiplies them with all items; the interface is `Scorer`'s.

    Parameters
    ----------
    package : whose weights are item-major, so that one user is a pass over contiguous memory
    """

    name = "dense"
    memory_bytes = 0

    def __init__(self, package: Package) -> None:
        self._quantizer, self._items = package.quantizer, package.items

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        """As in `Scorer`."""
        n_items = len(self._items.bias)
        check_codes(codes, self._quantizer.n_bytes)
        check_n(n, n_items)
        left_out = check_seen(seen, len(codes), n_items)
        at_once = max(1, BLOCK_BYTES // (4 * n_items))
        blocks = [self._block(codes, left_out, n, first, first + at_once) for first in range(0, len(codes), at_once)]
        if not blocks:
            return Top(np.zeros((0, n), np.int64), np.zeros((0, n), np.float32))
        return blocks[0] if len(blocks) == 1 else Top(*map(np.concatenate, zip(*blocks, strict=True)))

    def _block(self, codes: np.ndarray, seen: Seen, n: int, first: int, end: int) -> Top:
        scores = self._quantizer.decode(codes[first:end]) @ self._items.weight.T
        scores += self._items.bias
        starts = seen.starts[first : end + 1]
        users = np.repeat(np.arange(len(scores)), np.diff(starts))
        scores[users, seen.items[starts[0] : starts[-1]]] = -np.inf
        return best(scores, n)
