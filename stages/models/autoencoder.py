"""Mult-DAE and Mult-VAE (Liang et al. 2018), with an optional bottleneck on the last hidden layer."""

from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.interfaces.codec import Codec, Embeddings, Float32
from stages.interfaces.recommender import Interactions, Recommender, UserItems
from stages.models.bottleneck.bottleneck import Bottleneck
from stages.models.likelihood import MultinomialLoss, SoftTarget
from stages.models.sparse import weighted_sum

LEAST_PART = 0.5  # of a user's items, where an embedding is of a random part of them
BIAS_STD = 0.001  # Liang's notebook: truncated normal


class AutoEncoder(Recommender):
    """Denoising auto-encoder with tanh layers and a multinomial likelihood over the items (Mult-DAE).

    The last hidden layer is the user's embedding; the output layer turns it into scores.

    Parameters
    ----------
    hidden : widths of the layers between input and output
    dropout : share of a user's items that is hidden from the input in training
    bottleneck : quantizes the last hidden layer (PQ-VAE, RQ-VAE)
    """

    def __init__(self, n_items: int, hidden: list[int], dropout: float, bottleneck: Bottleneck | None = None) -> None:
        super().__init__()
        self.dropout = dropout
        self.bottleneck = bottleneck
        # One row per item, so that a user's input is a sum of rows: the 0/1 row is never made dense.
        self.input_weight = nn.Parameter(torch.empty(n_items, hidden[0]))
        self.input_bias = nn.Parameter(torch.empty(hidden[0]))
        self.layers = nn.ModuleList(self._layers(hidden))
        self.output = _linear(hidden[-1], n_items)

    def _layers(self, hidden: list[int]) -> list[nn.Linear]:
        return [_linear(width, following) for width, following in pairwise(hidden)]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw first weights: Glorot uniform, biases near zero, as in Liang's notebook.

        Parameters
        ----------
        generator : on the CPU, so that a GPU starts from the same weights
        """
        for parameter in self.parameters():
            drawn = torch.empty(parameter.shape)
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(drawn, generator=generator)
            else:
                nn.init.trunc_normal_(drawn, std=BIAS_STD, a=-2 * BIAS_STD, b=2 * BIAS_STD, generator=generator)
            parameter.data.copy_(drawn)

    def loss(
        self, batch: UserItems, progress: float, generator: torch.Generator, likelihood: MultinomialLoss
    ) -> Tensor:
        """Mean over users of the negative log-likelihood of their items, plus what the layers add.

        Parameters
        ----------
        progress : share of the training that is done, from 0 to 1
        generator : on the model's device
        likelihood : of this model's output layer
        """
        hidden, penalty = self.last_hidden(batch, progress, generator)
        if self.bottleneck is None or not self.bottleneck.started:
            return likelihood(hidden, batch) + penalty
        rules = self.bottleneck.rules
        clean = self._clean_hidden(batch) if rules.follow == "clean" or rules.learn_scores else hidden
        if rules.follow == "parts":
            followed = self._hidden_of_parts(batch, generator)
        else:
            followed = clean if rules.follow == "clean" else hidden
        quantized, commitment = self.bottleneck(hidden, followed, generator)
        if not rules.learn_scores:
            return likelihood(quantized, batch) + commitment + penalty
        # The float model goes on learning the items, and the codes learn what it then says of the whole input.
        scores = SoftTarget(clean, self.output)
        return likelihood(hidden, batch) + likelihood(quantized, batch, scores) + commitment + penalty

    def last_hidden(
        self, batch: UserItems, progress: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | float]:
        """The last hidden layer (n_users, d) with dropout and noise, and what is added to the loss; as of `loss`."""
        kept = torch.rand(len(batch.items), generator=generator, device=batch.items.device) >= self.dropout
        factors = _unit_norm(batch) * kept / (1 - self.dropout)
        return self._last_hidden(self._first_layer(batch, factors), progress, generator)

    @torch.no_grad()
    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, d) float32: the last hidden layer, before any quantization."""
        return self._clean_hidden(Interactions(fold_in, self.output.weight.device).all()).cpu().numpy()

    @torch.no_grad()
    def embed_parts(self, histories: csr_array, generator: torch.Generator) -> np.ndarray:
        """(n_users, d) float32: embeddings of a random part of each user's items, as if they had no others.

        Codes of whole histories that the model was trained on fit held-out users worse: those are shorter, and new.

        Parameters
        ----------
        histories : (n_users, n_items) 0/1
        generator : on the model's device
        """
        batch = Interactions(histories, self.output.weight.device).all()
        return self._hidden_of_parts(batch, generator).cpu().numpy()

    @torch.no_grad()
    def score(self, embeddings: Embeddings) -> Tensor:
        """(n_users, n_items) float32: the output layer."""
        return self.output(torch.from_numpy(np.asarray(embeddings)).to(self.output.weight.device))

    def codec(self) -> Codec:
        """The trained codebooks; or the layer as it is, where there are none (yet)."""
        if self.bottleneck is None or not self.bottleneck.started:
            return Float32()
        return self.bottleneck.codec()

    @torch.no_grad()
    def _clean_hidden(self, batch: UserItems) -> Tensor:
        """The last hidden layer (n_users, d), without dropout and noise."""
        return self._last_hidden(self._first_layer(batch, _unit_norm(batch)), 1.0, None)[0]

    @torch.no_grad()
    def _hidden_of_parts(self, batch: UserItems, generator: torch.Generator) -> Tensor:
        """The last hidden layer (n_users, d), as of users with some of these items only; without noise."""
        device = batch.items.device
        shares = LEAST_PART + (1 - LEAST_PART) * torch.rand(len(batch.lengths), generator=generator, device=device)
        kept = torch.rand(len(batch.items), generator=generator, device=device) < shares[batch.users]
        lengths = torch.zeros_like(shares).index_add_(0, batch.users, kept.float())
        factors = kept * lengths.rsqrt()[batch.users].nan_to_num(posinf=0.0)  # no item is kept of some
        return self._last_hidden(self._first_layer(batch, factors), 1.0, None)[0]

    def _first_layer(self, batch: UserItems, factors: Tensor) -> Tensor:
        """(n_users, hidden[0]) before its tanh; factors : float32 (n_interactions,) of the input."""
        return weighted_sum(self.input_weight, batch, factors) + self.input_bias

    def _last_hidden(
        self,
        first: Tensor,
        progress: float,  # noqa: ARG002 (the VAE needs it)
        generator: torch.Generator | None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor | float]:
        """The last hidden layer (n_users, d), and what is added to the loss."""
        hidden = first.tanh()
        for layer in self.layers:
            hidden = layer(hidden).tanh()
        return hidden, 0.0


class VariationalAutoEncoder(AutoEncoder):
    """Mult-VAE: the middle layer is a Gaussian latent, its mean at test time.

    Parameters
    ----------
    hidden : an odd number of widths; the middle one is the latent's
    kl_cap : the weight of the KL term rises to this
    kl_anneal : over this share of the training, linearly
    """

    def __init__(self, n_items: int, hidden: list[int], dropout: float, kl_cap: float, kl_anneal: float) -> None:
        super().__init__(n_items, hidden, dropout)
        self.kl_cap = kl_cap
        self.kl_anneal = kl_anneal

    def _layers(self, hidden: list[int]) -> list[nn.Linear]:
        middle = len(hidden) // 2
        layers = super()._layers(hidden)
        layers[middle - 1] = _linear(hidden[middle - 1], 2 * hidden[middle])  # mean and log-variance
        return layers

    def _last_hidden(
        self, first: Tensor, progress: float, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | float]:
        hidden, kl = first.tanh(), torch.zeros(())
        for number, layer in enumerate(self.layers, start=1):
            if number == (len(self.layers) + 1) // 2:
                hidden, log_variance = layer(hidden).chunk(2, dim=1)  # (n_users, latent) each
                kl = 0.5 * (hidden.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
                if generator is not None:
                    noise = torch.randn(hidden.shape, generator=generator, device=hidden.device)
                    hidden = hidden + noise * (log_variance / 2).exp()
            else:
                hidden = layer(hidden).tanh()
        return hidden, self.kl_cap * min(1.0, progress / self.kl_anneal) * kl


def _unit_norm(batch: UserItems) -> Tensor:
    """Of each interaction, so that rows of the input have L2 norm 1."""
    return batch.lengths.float().rsqrt()[batch.users]


def _linear(width: int, following: int) -> nn.Linear:
    """A layer with no weights yet: nn.Linear would draw them from torch's global generator."""
    return nn.utils.skip_init(nn.Linear, width, following)
