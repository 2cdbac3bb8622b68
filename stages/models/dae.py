"""Mult-DAE (Liang et al. 2018); with a bottleneck, the PQ-VAE of Van Balen & Levy 2019, or an RQ-VAE."""

from stages.config.model import DaeSettings
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.build import build_bottleneck


def build(settings: DaeSettings, n_items: int) -> AutoEncoder:
    """A model without weights or codebooks, for `n_items` items."""
    bottleneck = build_bottleneck(settings.bottleneck, settings.hidden[-1]) if settings.bottleneck else None
    return AutoEncoder(n_items, settings.hidden, settings.dropout, bottleneck)
