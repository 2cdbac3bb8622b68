"""Mult-DAE and Mult-VAE (Liang et al. 2018), with an optional bottleneck on the last hidden layer."""

from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from stages.models.bottleneck import Bottleneck
from stages.models.likelihood import MultinomialLoss, SoftTarget
from stages.models.recommender import Interactions, Recommender, UserItems
from stages.models.sparse import weighted_sum
from stages.quantizers.codec import Codec, Embeddings, Float32

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
        clean = self._clean_hidden(batch) if rules.follow_clean or rules.learn_scores else hidden
        quantized, commitment = self.bottleneck(hidden, clean if rules.follow_clean else hidden, generator)
        if not rules.learn_scores:
            return likelihood(quantized, batch) + commitment + penalty
        # The float model goes on learning the items, and the codes learn what it then says of the whole input.
        scores = SoftTarget(clean, self.output)
        return likelihood(hidden, batch) + likelihood(quantized, batch, scores) + commitment + penalty

    def last_hidden(
        self, batch: UserItems, progress: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | float]:
        """The last hidden layer (n_users, d) with dropout and noise, and what is added to the loss; as of `loss`."""
        return self._last_hidden(self._first_layer(batch, generator), progress, generator)

    @torch.no_grad()
    def embed(self, fold_in: csr_array) -> np.ndarray:
        """(n_users, d) float32: the last hidden layer, before any quantization."""
        return self._clean_hidden(Interactions(fold_in, self.output.weight.device).all()).cpu().numpy()

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
        return self._last_hidden(self._first_layer(batch, None), 1.0, None)[0]

    def _first_layer(self, batch: UserItems, generator: torch.Generator | None) -> Tensor:
        """(n_users, hidden[0]) before its tanh; with a generator the input has dropout."""
        factors = batch.lengths.float().rsqrt()[batch.users]  # rows of L2 norm 1
        if generator is not None:
            kept = torch.rand(len(factors), generator=generator, device=factors.device) >= self.dropout
            factors = factors * kept / (1 - self.dropout)
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


def _linear(width: int, following: int) -> nn.Linear:
    """A layer with no weights yet: nn.Linear would draw them from torch's global generator."""
    return nn.utils.skip_init(nn.Linear, width, following)
