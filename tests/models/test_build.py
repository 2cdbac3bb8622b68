"""Models from their entries."""

from stages.config.model import DaeSettings, ProductBottleneckSettings, VaeSettings
from stages.models.build import build_model
from stages.models.vae import VariationalAutoEncoder


def test_each_kind_is_built_by_its_module() -> None:
    vae = VaeSettings(kind="vae", hidden=[8, 3, 8], dropout=0.5, learning_rate=0.1, l2=0.0, kl_cap=0.2, kl_anneal=0.8)
    dae = DaeSettings(kind="dae", hidden=[8, 6], dropout=0.5, learning_rate=0.1, l2=0.0)
    assert isinstance(build_model(vae, 40), VariationalAutoEncoder)
    assert build_model(dae, 40).output.weight.shape == (40, 6)


def test_a_dae_has_the_bottleneck_of_its_entry() -> None:
    bottleneck = ProductBottleneckSettings(
        kind="product", chunks=3, rotation=False, start=0.4, ema_decay=0.9, commitment=0.25, dead_code_share=0.05,
        target="scores", follow="parts",
    )  # fmt: skip
    dae = DaeSettings(kind="dae", hidden=[8, 6], dropout=0.5, learning_rate=0.1, l2=0.0, bottleneck=bottleneck)
    model = build_model(dae, 40)
    assert model.bottleneck is not None
    assert model.bottleneck.scheme.shape == (3, 256, 2)
