"""A decoder trained further on decoded codes, while encoder and codec stay fixed."""

import copy

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.batches import UserItems
from stages.interfaces.codec import Codec, Embeddings
from stages.interfaces.recommender import Recommender
from stages.models.autoencoder import AutoEncoder
from stages.models.likelihood import Losses
from stages.models.shard import AllItems
from stages.training.trainable import Likelihood


class DecoderRefit(Recommender):
    """The output layer of a trained auto-encoder, trained further on embeddings that a codec has encoded and decoded.

    Its only parameters, and so its only weights on disk, are those of the output layer.

    Parameters
    ----------
    trained : auto-encoder that embeds the users; it stays unchanged
    codec : codec that stores the users; it stays unchanged
    """

    float_share = None
    """None: there are no codebooks to start."""

    def __init__(self, trained: AutoEncoder, codec: Codec) -> None:
        super().__init__()
        self.output = copy.deepcopy(trained.output)
        self.shard = AllItems(self.output.out_features)
        self.stored = codec
        # Two methods, not the model: a submodule would be trained and saved too.
        self._embed, self._last_hidden = trained.embed, trained.last_hidden

    def initialise(self, generator: torch.Generator) -> None:
        """Keep the trained weights."""

    def start_codebooks(self, train: csr_array, seed: int, batch_size: int, generator: torch.Generator) -> None:
        """Do nothing: the codec stays fixed."""

    def loss(self, batch: UserItems, progress: float, generator: torch.Generator, likelihood: Likelihood) -> Losses:
        """Mean over users of the negative log-likelihood of their items, given their decoded embeddings; nothing else.

        Parameters
        ----------
        batch : users whose items are both input and target
        progress : share of the training that is done, from 0 to 1
        generator : generator on the model's device; draws the dropout of the input, and a VAE's noise
        likelihood : loss of this output layer
        """
        with torch.no_grad():
            hidden, _ = self._last_hidden(batch, progress, generator)
        decoded = self.stored.decode(self.stored.encode(hidden.cpu().numpy()))
        loss = likelihood(torch.from_numpy(np.asarray(decoded)).to(hidden.device), batch)
        return Losses(loss, loss)

    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, d) float32: the trained model's embeddings."""
        return self._embed(fold_in)

    @torch.no_grad()
    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: logits of the output layer."""
        return self.output(torch.from_numpy(np.asarray(embeddings)).to(self.output.weight.device))

    def item_vectors(self) -> tuple[Tensor, Tensor]:
        """Weights and biases of the output layer."""
        return self.output.weight, self.output.bias

    def codec(self) -> Codec:
        """The codec that this decoder is trained for."""
        return self.stored
