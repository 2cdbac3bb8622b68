"""Subsampled histories instead of vectors: a baseline without a quantizer, at the same number of bytes."""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor

from stages.codebooks.fitted import FittedCodec
from stages.config.quantizer import HistorySettings
from stages.config.strict import Variant
from stages.interfaces.codec import Codec, Embeddings, WholeHistory
from stages.interfaces.recommender import Recommender


class SubsampledHistory(FittedCodec):
    """Stores a random sample of each user's items, as many as fit, in 1 to 4 bytes per item.

    Parameters
    ----------
    n_items : number of items, which sets the bytes per item
    n_bytes : bytes per user
    seed : seed of the sample
    """

    def __init__(self, n_items: int, n_bytes: int, seed: int) -> None:
        self.n_items = int(n_items)
        self.seed = int(seed)
        self.bytes_per_item = (self.n_items.bit_length() + 7) // 8  # number n_items marks an empty place
        self.n_bytes = int(n_bytes)
        self.places = self.n_bytes // self.bytes_per_item

    @property
    def bytes_per_vector(self) -> int:
        """The bytes per user that were asked for."""
        return self.n_bytes

    @property
    def shared_bytes(self) -> int:
        """0: there are no codebooks."""
        return 0

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n_users, n_items) 0/1 → (n_users, bytes_per_vector) uint8."""
        history = csr_array(self._fitting(embeddings, self.n_items))
        draws = np.random.default_rng(self.seed).random(history.shape[1])  # one random order of items, for all users
        stored = np.full((history.shape[0], self.places), self.n_items, dtype="<u4")
        for user, (start, end) in enumerate(pairwise(history.indptr)):
            items = history.indices[start:end]
            chosen = items[np.argsort(draws[items])[: self.places]]
            stored[user, : len(chosen)] = chosen
        packed = stored.view(np.uint8).reshape(*stored.shape, 4)[..., : self.bytes_per_item].reshape(len(stored), -1)
        return np.pad(packed, ((0, 0), (0, self.n_bytes - packed.shape[1])))

    def decode(self, codes: np.ndarray | csr_array) -> csr_array:
        """(n_users, bytes_per_vector) uint8 → (n_users, n_items) 0/1 with the stored items."""
        used = np.asarray(codes)[:, : self.places * self.bytes_per_item]
        numbers = np.zeros((len(used), self.places, 4), dtype=np.uint8)
        numbers[..., : self.bytes_per_item] = used.reshape(len(used), self.places, self.bytes_per_item)
        items = numbers.view("<u4")[..., 0]
        users, place = np.nonzero(items < self.n_items)
        ones = np.ones(len(users), dtype=np.float32)
        return csr_array((ones, (users, items[users, place])), shape=(len(used), self.n_items))

    def recommender(self, model: Recommender) -> Recommender:
        """A recommender that embeds the stored items with `model`, and scores with it."""
        return FromHistory(model)

    def _arguments(self) -> dict[str, Any]:
        return {"n_items": self.n_items, "n_bytes": self.n_bytes, "seed": self.seed}


class FromHistory(Recommender):
    """Scores items from stored interactions with another model.

    Parameters
    ----------
    model : model that embeds the interactions and scores items
    """

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = model

    def embed(self, fold_in: csr_array) -> csr_array:
        """The interactions, unchanged."""
        return fold_in

    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: the model's scores for these interactions."""
        return self.model.score(self.model.embed(csr_array(embeddings)))

    def codec(self) -> Codec:
        """The codec that stores all interactions."""
        return WholeHistory()


def fit(settings: HistorySettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """A codec for every number of bytes, without fitting anything; see `stages.codecs.fit`."""
    return {n_bytes: SubsampledHistory(n_items, n_bytes, settings.seed) for n_bytes in settings.bytes}
