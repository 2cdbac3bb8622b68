"""Codes for vectors from elsewhere: what is fitted, and how it is measured on vectors that no fit saw."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import fit_rotation
from stages.evaluation.cost import variance_lost
from stages.interfaces.batches import users_at_once
from stages.interfaces.codec import Codec
from stages.interfaces.split import HeldOutUsers
from stages.models.vectors import Vectors
from stages.ranking.evaluation import RANKS, ndcg_of_users
from stages.ranking.top import top_items
from stages.run.errors import UserError

SEED = 1234
BEAM = 5
"""Partial codes that the encoder of residual codes keeps."""
MOST_FITTED = 256 * CODES
"""Vectors that codes are fitted on, faiss's own limit for k-means."""
MOST_UNSEEN = 10_000
SHARE_UNSEEN = 0.1
MOST_RANKED = 1_000
"""Vectors whose top 100 are compared with exact ones."""


class Candidate(NamedTuple):
    """Codes that vectors could be stored as."""

    name: str
    codec: ProductCodec | ResidualCodec


class Measured(NamedTuple):
    """What codes keep of vectors that the fit did not see."""

    variance_lost: float | None
    """None where they are all alike."""
    overlap: float | None
    """Mean share of the exact top 100 in the top 100 of the codes; None without items."""
    ndcg: np.ndarray | None
    """NDCG@100 float64 (n users with held-out pairs,); None without them."""


def split_rows(n: int, of_held_out: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Draw the rows that codes are fitted on, and those that they are measured on, int64 and ascending.

    Parameters
    ----------
    n : number of vectors
    of_held_out : rows of the users with held-out pairs, of whom those to be measured on are drawn; None for all

    Raises
    ------
    UserError
        where too few vectors are left for 256 codes.
    """
    generator = np.random.default_rng(SEED)
    from_rows = np.arange(n) if of_held_out is None else of_held_out
    n_unseen = min(len(from_rows), MOST_UNSEEN, max(1, int(n * SHARE_UNSEEN)))
    unseen = np.sort(generator.choice(from_rows, n_unseen, replace=False))
    others = np.delete(np.arange(n), unseen)
    if len(others) < CODES:
        raise UserError(
            f"{CODES} codes need as many vectors, besides a tenth to measure on; there are {n:,}: give more of them"
        )
    return np.sort(generator.choice(others, min(len(others), MOST_FITTED), replace=False)), unseen


def chunks(width: int, most: int) -> int:
    """The largest number of chunks, up to `most`, that a width can be cut into."""
    return max(number for number in range(1, most + 1) if width % number == 0)


def candidates(vectors: np.ndarray, n_bytes: int) -> Iterator[Candidate]:
    """Fit PQ and OPQ of half, once and twice so many bytes, and RQ of half and once, from the fewest bytes up.

    Product codes are of fewer bytes where chunks would not divide the width. Residual codes of twice the bytes would
    take most of the time.

    Parameters
    ----------
    vectors : float32 (n, d), finite

    Raises
    ------
    UserError
        where all vectors are the same.
    """
    if (vectors == vectors[0]).all():
        raise UserError("all vectors are the same, and need no codes; give vectors that differ")
    width, half = vectors.shape[1], max(1, n_bytes // 2)
    codebooks = fit_residual(vectors, n_bytes, SEED)
    product = {chunks(width, size) for size in (half, n_bytes, 2 * n_bytes)}
    residual = {half, n_bytes}
    for size in sorted(product | residual):
        if size in product:
            yield Candidate(f"pq-{size}x{width // size}", ProductCodec(fit_product(vectors, size, SEED)))
            rotation = fit_rotation(vectors, size, SEED)
            rotated = fit_product(rotation.apply(vectors), size, SEED)
            yield Candidate(f"opq-{size}x{width // size}", ProductCodec(rotated, rotation))
        if size in residual:
            yield Candidate(f"rq-{size}b", ResidualCodec(codebooks[:size], BEAM))


class Yardstick:
    """Measures codes by vectors that no fit saw.

    Parameters
    ----------
    unseen : float32 (n, d)
    items : float32 (n_items, d), scored by the inner product; None where there are none
    held_out : pairs of the users that these vectors are of, row by row; None where there are none
    """

    def __init__(self, unseen: np.ndarray, items: np.ndarray | None, held_out: HeldOutUsers | None) -> None:
        self.unseen, self.held_out = unseen, held_out
        self._model = None if items is None else Vectors(torch.from_numpy(unseen), torch.from_numpy(items))
        self._at_once = 0 if items is None else users_at_once(4 * len(items), torch.device("cpu"))
        self._exact = self._top(unseen)

    def measure(self, codec: Codec) -> Measured:
        """What the codes keep."""
        decoded = np.asarray(codec.decode(codec.encode(self.unseen)))
        overlap = ndcg = None
        if self._exact is not None and (top := self._top(decoded)) is not None:
            both = (exact[:, :, None] == coded[:, None, :] for exact, coded in zip(self._exact, top, strict=True))
            overlap = sum(int(block.sum()) for block in both) / sum(block.numel() for block in top)
        if self._model is not None and self.held_out is not None:
            ndcg = ndcg_of_users(self._model, codec, self.held_out, self._at_once)
        return Measured(variance_lost(self.unseen, decoded), overlap, ndcg)

    def _top(self, vectors: np.ndarray) -> list[Tensor] | None:
        """The top 100 of up to `MOST_RANKED` vectors, in blocks int64 (b, up to 100); None without items."""
        if self._model is None:
            return None
        blocks = []
        for vectors_of_block in np.split(vectors[:MOST_RANKED], range(self._at_once, MOST_RANKED, self._at_once)):
            scores = self._model.score(vectors_of_block)
            blocks.append(top_items(scores, min(RANKS, scores.shape[1])))
        return blocks
