"""Builds a bottleneck from its entry in params.yaml."""

from importlib import import_module

from stages.config.model import ProductBottleneckSettings, ResidualBottleneckSettings
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.scheme import Scheme


def build_bottleneck(settings: ProductBottleneckSettings | ResidualBottleneckSettings, width: int) -> Bottleneck:
    """A bottleneck without codebooks, for vectors of this width; its kind names its scheme's module in this package."""
    scheme: Scheme = import_module(f".{settings.kind}", __package__).build(settings, width)
    rules = Rules(
        float_share=settings.start,
        ema_decay=settings.ema_decay,
        commitment=settings.commitment,
        dead_code_share=settings.dead_code_share,
        learn_scores=settings.target == "scores",
        ema_targets=settings.follow,
    )
    return Bottleneck(scheme, rules)
