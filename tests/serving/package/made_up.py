"""Models and codecs of all kinds that a package can hold, with drawn weights: what they learn does not matter here."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array

from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.codebooks.transform import Transform, decoder_metric
from stages.config.model import TRAINED as SETTINGS
from stages.guided.guide import Guide
from stages.interfaces.codec import Codec
from stages.models.autoencoder import AutoEncoder, in_variant
from stages.models.build import build_model
from stages.serving.export.convert import items_of, layers_of, quantizer_of
from stages.serving.package.files import write_package
from stages.serving.package.manifest import Measured, Origin
from stages.serving.package.package import Items, Package

N_ITEMS, WIDTH = 50, 12
DRAWS = np.random.default_rng(0)
DAE = {"kind": "dae", "dropout": 0.5, "learning_rate": 0.01, "l2": 0.01}
VAE = {**DAE, "kind": "vae", "hidden": [16, 6, WIDTH], "kl_cap": 0.2, "kl_anneal": 0.8}
RULES = {
    "start": 0.2, "ema_decay": 0.99, "commitment": 0.25, "dead_code_share": 0.05, "target": "scores", "follow": "clean",
}  # fmt: skip
ORIGIN = Origin(
    data_set="Made up",
    row="dae-12-pq-4x3",
    seed=0,
    data_sha256="ab" * 32,
    parameters_sha256="cd" * 32,
    ndcg=Measured(mean=0.3, low=0.2, high=0.4, users=99),
)
IDS = np.arange(100, 100 + N_ITEMS)
TITLES = [f"Film {number}" for number in IDS]
COUNTS = np.arange(N_ITEMS)[::-1].copy()


def drawn(*shape: int) -> np.ndarray:
    return (0.3 * DRAWS.normal(size=shape)).astype(np.float32)


class Trained(NamedTuple):
    """What the stage export finds of a row."""

    model: AutoEncoder
    codec: Codec


def model(settings: dict[str, Any]) -> AutoEncoder:
    made = build_model(SETTINGS.validate_python(settings), N_ITEMS)
    made.initialise(torch.Generator().manual_seed(0))
    return made.eval()


def with_bottleneck(settings: dict[str, Any], transform: Transform | None, n_bytes: int | None = None) -> Trained:
    made = model({**DAE, "hidden": [16, WIDTH], "bottleneck": {**settings, **RULES}})
    assert made.bottleneck is not None
    codebooks = made.bottleneck.moving.codebooks
    codebooks.copy_(torch.from_numpy(drawn(*codebooks.shape)))
    if transform is not None:
        assert made.bottleneck.transform is not None
        made.bottleneck.transform.set(transform)
    made.bottleneck.mark_started()
    return Trained(made, in_variant(made.codec(), n_bytes))


TURN = np.linalg.qr(drawn(WIDTH, WIDTH))[0]
ROTATION = Transform(TURN, np.ascontiguousarray(TURN.T))
METRIC = decoder_metric(drawn(30, WIDTH), np.full(30, 1 / 30, np.float32))
PRODUCT = {"kind": "product", "chunks": 4}
RESIDUAL = {"kind": "residual", "bytes": [5, 2], "beam": 4, "training_beam": 1}

TRAINED = {
    "one layer, product": Trained(model({**DAE, "hidden": [WIDTH]}), ProductCodec(drawn(4, 256, 3))),
    "three layers, rotated product": Trained(
        model({**DAE, "hidden": [20, 16, WIDTH]}), ProductCodec(drawn(6, 256, 2), ROTATION)
    ),
    "about a mean": Trained(
        model({**DAE, "hidden": [WIDTH]}),
        ProductCodec(drawn(4, 256, 3), Transform(TURN, np.ascontiguousarray(TURN.T), drawn(WIDTH))),
    ),
    "greedy residual": Trained(model({**DAE, "hidden": [WIDTH]}), ResidualCodec(drawn(4, 256, WIDTH), beam=1)),
    "VAE, prefix by a beam": Trained(model(VAE), ResidualCodec(drawn(5, 256, WIDTH), beam=4).prefix(3)),
    "a beam beyond the first codebook": Trained(model(VAE), ResidualCodec(drawn(2, 256, WIDTH), beam=300)),
    "trained product": with_bottleneck({**PRODUCT, "rotation": False}, None),
    "trained product, rotated": with_bottleneck({**PRODUCT, "rotation": True}, ROTATION),
    "trained residual": with_bottleneck({**RESIDUAL, "metric": "euclidean"}, None, 5),
    "trained residual, prefix in the decoder's metric": with_bottleneck({**RESIDUAL, "metric": "decoder"}, METRIC, 2),
}


def histories(n_users: int = 200) -> csr_array:
    """(n_users, N_ITEMS) 0/1; the fourth and the last user have none."""
    likes = np.random.default_rng(1).random((n_users, N_ITEMS)) < 0.2
    likes[[3, -1]] = False
    return csr_array(likes.astype(np.float32))


def items(of: AutoEncoder) -> Items:
    return items_of(of, IDS, TITLES, COUNTS)


def write(folder: Path, name: str = "one layer, product", origin: Origin = ORIGIN, guide: Guide | None = None) -> Path:
    """A package of one of these; its folder."""
    package = made_up_package(name, guide)
    folder.mkdir()
    write_package(folder, origin, package.encoder, package.quantizer, package.items)
    return folder


def made_up_package(name: str = "one layer, product", guide: Guide | None = None) -> Package:
    """The same without files."""
    trained = TRAINED[name]
    quantizer = quantizer_of(trained.codec, guide)
    return Package(name, "ef" * 32, layers_of(trained.model), quantizer, items(trained.model))
