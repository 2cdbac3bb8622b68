"""A bottleneck from its entry."""

from stages.config.model import ProductBottleneckSettings
from stages.models.bottleneck.bottleneck import Rules
from stages.models.bottleneck.build import build_bottleneck
from stages.models.bottleneck.product import ProductScheme

SETTINGS = ProductBottleneckSettings(
    kind="product", chunks=4, rotation=True, start=0.8, ema_decay=0.99, commitment=0.25, dead_code_share=0.05,
    target="scores", follow="parts",
)  # fmt: skip


def test_the_scheme_is_of_the_entrys_kind() -> None:
    assert build_bottleneck(SETTINGS, 8).scheme == ProductScheme(8, 4, rotation=True)


def test_the_rules_are_those_of_the_entry() -> None:
    assert build_bottleneck(SETTINGS, 8).rules == Rules(
        float_share=0.8, ema_decay=0.99, commitment=0.25, dead_code_share=0.05, learn_scores=True, ema_targets="parts"
    )


def test_codes_that_learn_the_items_learn_no_scores() -> None:
    assert not build_bottleneck(SETTINGS.model_copy(update={"target": "items"}), 8).rules.learn_scores
