"""A decoder trained on for what is stored of users, with all else as it was."""

import copy

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender, UserItems
from stages.models.autoencoder import AutoEncoder
from stages.models.likelihood import MultinomialLoss


class Refit(AutoEncoder):
    """Trains the output layer of a trained auto-encoder on what a codec gives back of its embeddings.

    Its parameters, and so its weights on disk, are the output layer's alone.

    Parameters
    ----------
    trained : embeds; stays as it is
    codec : of its users
    """

    def __init__(self, trained: AutoEncoder, codec: Codec) -> None:
        Recommender.__init__(self)  # no layers of its own but the output
        self.bottleneck = None
        self.output = copy.deepcopy(trained.output)
        self.stored = codec
        object.__setattr__(self, "trained", trained)  # not a submodule: nothing of it is trained or saved
        self.trained: AutoEncoder

    def initialise(self, generator: torch.Generator) -> None:
        """Keep the trained weights."""

    def loss(
        self, batch: UserItems, progress: float, generator: torch.Generator, likelihood: MultinomialLoss
    ) -> Tensor:
        """As the auto-encoder's, of embeddings with dropout that went through the codec."""
        with torch.no_grad():
            hidden, _ = self.trained.last_hidden(batch, progress, generator)
            decoded = np.asarray(self.stored.decode(self.stored.encode(hidden.cpu().numpy())))
        return likelihood(torch.from_numpy(decoded).to(hidden.device), batch)

    @torch.no_grad()
    def embed(self, fold_in: csr_array) -> np.ndarray:
        """As the trained model does."""
        return self.trained.embed(fold_in)

    def codec(self) -> Codec:
        """The one that this decoder is for."""
        return self.stored
