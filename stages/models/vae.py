"""Mult-VAE (Liang et al. 2018)."""

import torch
from torch import Tensor, nn

from stages.config.model import VaeSettings
from stages.models.autoencoder import AutoEncoder, linear


class VariationalAutoEncoder(AutoEncoder):
    """Mult-VAE: the middle layer is a Gaussian latent, replaced by its mean outside training.

    Parameters
    ----------
    n_items : width of input and output
    hidden : an odd number of widths; the middle one is the latent's
    dropout : share of a user's items that are dropped from the input in training
    kl_cap : final weight of the KL term
    kl_anneal : share of the training over which this weight rises linearly from 0
    """

    def __init__(self, n_items: int, hidden: list[int], dropout: float, kl_cap: float, kl_anneal: float) -> None:
        super().__init__(n_items, hidden, dropout)
        self.kl_cap = kl_cap
        self.kl_anneal = kl_anneal

    def _layers(self, hidden: list[int]) -> list[nn.Linear]:
        middle = len(hidden) // 2
        layers = super()._layers(hidden)
        layers[middle - 1] = linear(hidden[middle - 1], 2 * hidden[middle])  # mean and log-variance
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


def build(settings: VaeSettings, n_items: int) -> VariationalAutoEncoder:
    """A model without weights, for `n_items` items."""
    return VariationalAutoEncoder(n_items, settings.hidden, settings.dropout, settings.kl_cap, settings.kl_anneal)
