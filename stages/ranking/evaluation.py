"""Ranking of held-out users, the same for every row: embed, encode, decode, score, mask fold-in, top 100."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.batches import Blocks, SparseRows
from stages.interfaces.codec import Codec, Embeddings, encode_users
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import HeldOutUsers
from stages.ranking.ndcg import ndcg
from stages.ranking.top import top_items

if TYPE_CHECKING:
    from stages.ranking.streamed import BestItems

RANKS = 100


class Ranking(NamedTuple):
    """The ranking of a block of users."""

    users: np.ndarray
    """int64 (n_users,), their rows in the matrices of held-out users."""
    embeddings: Embeddings
    """(n_users, d) float32, before the codec; or interactions (n_users, n_items)."""
    codes: np.ndarray | csr_array
    """Codes of the users, as `encode_users` gives them."""
    decoded: Embeddings
    """Embeddings decoded from the codes, from which items were scored."""
    items: Tensor
    """int64 (n_users, min(100, n_items)), best first; fold-in items come last, if at all."""
    hits: Tensor
    """bool, of the same shape: whether each ranked item is held out."""
    n_held_out: Tensor
    """int64 (n_users,), number of held-out items; all three tensors are on the model's device."""


def rank(model: Recommender, codec: Codec, users: HeldOutUsers, batch_size: int) -> Iterator[Ranking]:
    """Rank all items for held-out users from their codes, block by block.

    Parameters
    ----------
    users : held-out users; those without held-out interactions are left out
    batch_size : users ranked at once; fewer where the device runs out of memory

    Raises
    ------
    UserError
        where the device has too little memory for the scores of one user.
    """
    scored, best = users.scored(), _best_items(model)
    return Blocks(batch_size).run(lambda start, end: _rank(model, codec, users, scored[start:end], best), len(scored))


def ndcg_of_users(model: Recommender, codec: Codec, users: HeldOutUsers, batch_size: int) -> np.ndarray:
    """NDCG@100, float64 (n_users with held-out interactions,); parameters and errors as in `rank`."""
    blocks = [ndcg(ranking.hits, ranking.n_held_out, RANKS) for ranking in rank(model, codec, users, batch_size)]
    return torch.cat(blocks).cpu().numpy()


def _best_items(model: Recommender) -> "BestItems | None":
    """Finds a model's best items on a CPU; None where they are found among all scores."""
    found = model.item_vectors()
    if found is None or found[0].device.type != "cpu":
        return None
    from stages.ranking.streamed import BestItems  # which a GPU does without

    return BestItems(*found)


def _rank(model: Recommender, codec: Codec, users: HeldOutUsers, rows: np.ndarray, best: "BestItems | None") -> Ranking:
    fold_in, held_out = users.fold_in[rows], users.held_out[rows]
    embeddings = model.embed_users(users.first + rows, fold_in)
    codes = encode_users(codec, embeddings, fold_in)
    decoded = codec.decode(codes)
    n_items = fold_in.shape[1]
    n_ranks = min(RANKS, n_items)
    if best is not None:
        items = torch.from_numpy(best.top(np.asarray(decoded), fold_in, n_ranks))
    else:
        scores = model.score(decoded)
        history = SparseRows(fold_in, scores.device).all()
        scores[history.users, history.items] = -torch.inf
        items = top_items(scores, n_ranks)
    target = SparseRows(held_out, items.device).all()
    wanted = (target.users * n_items + target.items).sort().values
    shown = torch.arange(len(items), device=items.device)[:, None] * n_items + items
    hits = wanted[torch.searchsorted(wanted, shown).clamp(max=len(wanted) - 1)] == shown
    return Ranking(rows, embeddings, codes, decoded, items, hits, target.lengths)
