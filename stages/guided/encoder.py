"""The search for a guided code: from the nearest codes on, one code at a time, until nothing improves."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import embedding_bag

from stages.codebooks.beams import nearest_chunks, nearest_sums
from stages.codebooks.clustering import CODES
from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.product import ProductCodec
from stages.guided.guide import Guide
from stages.guided.objective import SHORTLIST, Decoder, Users
from stages.interfaces.batches import SparseRows, users_at_once
from stages.interfaces.codec import Embeddings
from stages.run.errors import UserError

if TYPE_CHECKING:
    from stages.search.nearest import BeamSearch

USERS_AT_ONCE = 64  # on a CPU, and in one thread
CHANGES = 6  # single codes that are tried in a round, those that promise most
MOST_ROUNDS = 6  # each changes some codes of a user
LEAST_GAIN = 1e-5  # of the objective, below which a change is rounding


class GuidedCodec:
    """A codec whose codes are chosen by the scores that the model gives to what is decoded; it decodes as before.

    Every length of a residual code is searched on its own, so that a shorter code is no prefix of a longer one, and
    is as good as its length allows.

    Parameters
    ----------
    codec : product, residual or additive codec
    weight, bias : float32 (n_items, d) and (n_items,), the output layer that scores what is decoded
    guide : what the search looks for
    """

    fit_errors = ()

    def __init__(self, codec: CodebookCodec, weight: Tensor, bias: Tensor, guide: Guide) -> None:
        self.codec, self.guide = codec, guide
        self.shared_bytes, self.n_codebooks = codec.shared_bytes, codec.n_codebooks
        self._device = weight.device
        used = codec.codebooks[: codec.bytes_per_vector]
        self._codebooks = torch.from_numpy(used).to(self._device)
        self._added = torch.from_numpy(codec.added()).to(self._device)  # (M, 256, d)
        mean = None if codec.transform is None else codec.transform.mean
        self._offset = torch.zeros_like(self._added[0, 0]) if mean is None else torch.from_numpy(mean).to(self._device)
        centre = self._added.mean(1).sum(0) + self._offset
        self._decoder = Decoder(weight.detach(), bias.detach(), centre)
        # On a CPU, compiled code finds sums of codes ten times as fast as products of PyTorch do.
        is_sum = not isinstance(codec, ProductCodec)
        self._beam = _compiled_search(used, guide.candidates) if is_sum and self._device.type == "cpu" else None
        # Half of what a change of one code adds, (M, 256, 256): of the curvature of the loss, and of the distance.
        self._curvatures = _half_squares(self._added, self._decoder.covariance)
        self._distances = 2 * _half_squares(self._added, None)
        self._firsts = torch.stack([_first_equals(codebook) for codebook in self._added])  # (M, 256)

    def decode(self, codes: np.ndarray | csr_array) -> Embeddings:
        """(n, M) uint8 → (n, d) float32."""
        return self.codec.decode(codes)

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """As `encode_users` of users of whom no item is known.

        Raises
        ------
        UserError
            where the guide needs their items.
        """
        n = embeddings.shape[0]
        if self.guide.share_of_items > 0:
            raise UserError(
                f"the encoder '{self.guide.by}' chooses codes by the items that a user is known to have, and got "
                "vectors alone: give the histories of the users"
            )
        return self.encode_users(embeddings, csr_array((n, len(self._decoder.weight))).tocsr())

    def encode_users(self, embeddings: Embeddings, histories: csr_array) -> np.ndarray:
        """(n, d) float32 and their known items (n, n_items) 0/1 → (n, M) uint8."""
        vectors = np.ascontiguousarray(embeddings, dtype=np.float32)
        nearest = self.codec.encode(vectors)
        n_items = len(self._decoder.weight)
        if histories.shape != (len(vectors), n_items):
            raise ValueError(f"histories {histories.shape}, expected {(len(vectors), n_items)}")
        block = USERS_AT_ONCE
        if self._device.type != "cpu":
            block = users_at_once(4 * SHORTLIST * vectors.shape[1], self._device)

        def work(start: int) -> np.ndarray:
            end = start + block
            return self._block(vectors[start:end], histories[start:end], nearest[start:end])

        found = _side_by_side(work, range(0, len(vectors), block), self._device)
        return np.concatenate([nearest[:0], *found])

    @torch.no_grad()
    def _block(self, vectors: np.ndarray, histories: csr_array, nearest: np.ndarray) -> np.ndarray:
        embeddings = torch.from_numpy(vectors).to(self._device)
        known = SparseRows(histories, self._device).all()
        users = Users.of(self._decoder, embeddings, known, self.guide.share_of_items, self.guide.pull)
        first = torch.from_numpy(nearest).to(self._device).long()
        candidates = torch.cat([first[:, None], self._nearest(vectors)], 1)
        codes, vector, gains = self._improved(users, candidates)
        if self.guide.by == "likelihood":
            gains = gains.masked_fill(known.lengths == 0, 0.0)  # nothing is known of them
        # The shortlist makes gains a little inexact, and no code is to be worse than the nearest.
        both = torch.stack([self._decoded(first[:, None])[:, 0], vector], 1)
        gains = gains.minimum(-users.exact_values(both).diff(dim=1)[:, 0])
        codes = self._firsts.gather(1, codes.T).T
        return torch.where((gains > 0)[:, None], codes, first).to(torch.uint8).cpu().numpy()

    def _nearest(self, vectors: np.ndarray) -> Tensor:
        """The nearest codes, int64 (n, up to candidates, M)."""
        transform = self.codec.transform
        mapped = vectors if transform is None else transform.apply(vectors)
        if self._beam:
            return torch.from_numpy(self._beam.candidates(mapped)).long()
        search = nearest_chunks if isinstance(self.codec, ProductCodec) else nearest_sums
        return search(self._codebooks, torch.from_numpy(mapped).to(self._device), self.guide.candidates)

    def _decoded(self, codes: Tensor) -> Tensor:
        """Vectors float32 (n, k, d) of codes int64 (n, k, M)."""
        n, k, n_codebooks = codes.shape
        numbers = codes + torch.arange(n_codebooks, device=codes.device) * CODES
        total = embedding_bag(numbers.view(n * k, n_codebooks), self._added.flatten(0, 1), mode="sum")
        return (total + self._offset).view(n, k, -1)

    def _improved(self, users: Users, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best candidate, improved by changes of single codes for as long as the objective falls.

        Parameters
        ----------
        candidates : int64 (n, k, M)

        Returns
        -------
        codes : int64 (n, M)
        vectors : float32 (n, d), decoded from them
        gains : float32 (n,), the objective of the first candidate minus that of these codes
        """
        n, _, n_codebooks = candidates.shape
        book = torch.arange(n_codebooks, device=candidates.device)
        row = torch.arange(n, device=candidates.device)
        added = self._added.flatten(0, 1)  # (M · 256, d)
        decoded = self._decoded(candidates)
        values, exponentials = users.values(decoded)
        value, best = values.min(1)
        codes, vector, exponential = candidates[row, best], decoded[row, best], exponentials[row, best]
        left = row  # users whose codes may still improve
        for _ in range(MOST_ROUNDS):
            code_left, vector_left = codes[left], vector[left]
            slopes = (users.gradients(vector_left, exponential[left]) @ added.T).view(-1, n_codebooks, CODES)
            promised = slopes - slopes.gather(2, code_left[..., None])
            promised += users.interactions[:, None, None] * self._curvatures[book, code_left]
            if users.pull:
                promised += users.pull * self._distances[book, code_left]
            promised.scatter_(2, code_left[..., None], torch.inf)
            promise, code = promised.min(2)  # (n, M): the best change in each codebook
            order = promise.topk(min(CHANGES, n_codebooks), 1, largest=False).indices  # (n, CHANGES)
            new, old = code.gather(1, order), code_left.gather(1, order)
            steps = added[new + order * CODES] - added[old + order * CODES]
            after, exponentials, changed = users.values_of_steps(vector_left, steps)
            least, best = after.min(1)
            better = (least < value[left] - LEAST_GAIN).nonzero()[:, 0]
            if not len(better):
                break
            best = best[better]
            place = torch.arange(order.shape[1], device=codes.device)
            alone = place == best[:, None]
            together = (place <= best[:, None] - order.shape[1] + 1) & (best >= order.shape[1])[:, None]
            improved = left[better]
            chosen = torch.where(alone | together, new[better], old[better])
            codes[improved] = code_left[better].scatter(1, order[better], chosen)
            vector[improved] = changed[better, best]
            exponential[improved] = exponentials[better, best]
            value[improved] = least[better]
            # The others are at their end. To leave them out copies what is known of the rest, so not at once.
            if 2 * len(better) <= len(left):
                left, users = improved, users.rows(better)
        return codes, vector, values[:, 0] - value


def _compiled_search(codebooks: np.ndarray, candidates: int) -> "BeamSearch | None":
    """None where Numba can't be imported: PyTorch finds the same candidates."""
    try:
        from stages.search.nearest import BeamSearch
    except ImportError:
        logging.getLogger(__name__).warning("Numba can't be imported: guided codes take longer")
        return None
    return BeamSearch(codebooks, candidates)


def _half_squares(added: Tensor, metric: Tensor | None) -> Tensor:
    """½ (a − b)ᵀ G (a − b) of all pairs of codes of a codebook, float32 (M, 256, 256); G is the identity for None."""
    mapped = added if metric is None else added @ metric
    products = torch.bmm(mapped, added.transpose(1, 2))
    squares = products.diagonal(dim1=1, dim2=2)
    return (squares[:, :, None] + squares[:, None] - products - products.transpose(1, 2)) / 2


def _first_equals(codes: Tensor) -> Tensor:
    """The number of the first code that equals each, int64 (256,); codes : float32 (256, d)."""
    _, same = codes.unique(dim=0, return_inverse=True)
    number = torch.arange(len(codes), device=codes.device)
    return torch.full_like(number, len(codes)).scatter_reduce(0, same, number, "amin")[same]


def _side_by_side(work: Callable[[int], np.ndarray], starts: range, device: torch.device) -> list[np.ndarray]:
    """What `work` gives for each start; on a CPU in as many threads of one core each as PyTorch may use here."""
    n_threads = min(torch.get_num_threads(), len(starts))
    if device.type != "cpu" or n_threads <= 1:
        return [work(start) for start in starts]
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        return list(threads.map(work, starts))
