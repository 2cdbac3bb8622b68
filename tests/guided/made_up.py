"""A small output layer, its users, codecs of all families, and the objective of their codes in plain words."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.special import log_softmax, softmax

from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import decoder_metric, fit_rotation
from stages.codecs.additive import fit_additive
from stages.guided.encoder import GuidedCodec
from stages.guided.guide import Guide

WIDTH, N_ITEMS = 12, 90
N_USERS = 96  # more than are searched at once
DRAWS = np.random.default_rng(7)
SPECTRUM = 0.75 ** np.arange(WIDTH)
"""Falls from dimension to dimension, as that of trained embeddings does."""
ALL_VECTORS = np.tanh(DRAWS.normal(size=(800, WIDTH)) * 2 * SPECTRUM).astype(np.float32)
VECTORS = ALL_VECTORS[:N_USERS]
WEIGHT = (2 * DRAWS.normal(size=(N_ITEMS, WIDTH))).astype(np.float32)
BIAS = DRAWS.normal(size=N_ITEMS).astype(np.float32)

CODECS = (
    "product",
    "rotated product",
    "residual",
    "residual, first 2",
    "residual in the decoder's metric",
    "additive",
)
GUIDES = {
    "likelihood": Guide("likelihood", 8, 0.2, 0.0),
    "likelihood, pulled": Guide("likelihood", 8, 0.2, 2.0),
    "scores": Guide("scores", 8, 0.2, 0.0),
    "scores, pulled": Guide("scores", 8, 0.2, 2.0),
    "mixture": Guide("mixture", 8, 0.2, 0.0),
    "mixture, pulled": Guide("mixture", 8, 0.2, 2.0),
}


class Layer(NamedTuple):
    """An output layer and what is known of users, in float32."""

    weight: np.ndarray
    bias: np.ndarray
    vectors: np.ndarray
    histories: csr_array


def histories(vectors: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> csr_array:
    """Items drawn from the softmax of each user: 1 of the first, 2 to 13 of the others, none of every tenth."""
    draws = np.random.default_rng(3)
    known = np.zeros((len(vectors), len(weight)), np.float32)
    for number, probabilities in enumerate(softmax(vectors.astype(np.float64) @ weight.T + bias, axis=1)):
        n_known = 1 if number == 0 else 0 if number % 10 == 9 else 2 + number % 12
        known[number, draws.choice(len(weight), n_known, replace=False, p=probabilities)] = 1
    return csr_array(known)


LAYER = Layer(WEIGHT, BIAS, VECTORS, histories(VECTORS, WEIGHT, BIAS))


@cache
def codec_of(name: str) -> CodebookCodec:
    """A codec of this kind, fitted on vectors like those of the users."""
    match name:
        case "product":
            return ProductCodec(fit_product(ALL_VECTORS, 4, seed=0))
        case "rotated product":
            rotation = fit_rotation(ALL_VECTORS, 4, seed=0)
            return ProductCodec(fit_product(rotation.apply(ALL_VECTORS), 4, seed=0), rotation)
        case "residual":
            return ResidualCodec(fit_residual(ALL_VECTORS, 3, seed=0), beam=5)
        case "residual, first 2":
            codec = codec_of("residual")
            assert isinstance(codec, ResidualCodec)
            return codec.prefix(2)
        case "residual in the decoder's metric":
            mean = softmax(ALL_VECTORS @ WEIGHT.T + BIAS, axis=1).mean(0)
            metric = decoder_metric(WEIGHT, mean)
            return ResidualCodec(fit_residual(metric.apply(ALL_VECTORS), 3, seed=0), 5, metric)
        case _:
            return fit_additive(ALL_VECTORS, 2, beam=5, seed=0)


def guided(codec: CodebookCodec, guide: Guide, layer: Layer = LAYER) -> GuidedCodec:
    """The codec with its codes chosen by the scores of this layer."""
    return GuidedCodec(codec, torch.from_numpy(layer.weight), torch.from_numpy(layer.bias), guide)


def objectives(decoded: np.ndarray, guide: Guide, layer: Layer = LAYER) -> np.ndarray:
    """The oracle: interactions · cross-entropy(target, softmax) + pull · ‖v − z‖² of each user, float64 (n,)."""
    weight, bias, vectors = (part.astype(np.float64) for part in layer[:3])
    of_users = []
    for v, z, known in zip(decoded.astype(np.float64), vectors, layer.histories.toarray(), strict=True):
        scores = softmax(weight @ z + bias)
        share = guide.share_of_items if known.any() else 0.0
        target = share * known / max(1, known.sum()) + (1 - share) * scores
        entropy = -target @ log_softmax(weight @ v + bias)
        of_users.append(max(1, known.sum()) * entropy + guide.pull * np.square(v - z).sum())
    return np.array(of_users)
