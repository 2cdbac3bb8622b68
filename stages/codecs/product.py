"""Product quantization after training: PQ, and OPQ where the vectors are rotated first."""

import numpy as np

from stages.codebooks.fitted import FittedCodec
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.transform import fit_rotation
from stages.config.quantizer import ProductSettings
from stages.config.strict import Variant


def fit(settings: ProductSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit a codebook for every chunk, after a rotation if the settings ask for one; see `stages.codecs.fit`."""
    rotation = fit_rotation(vectors, settings.chunks, settings.seed) if settings.rotation else None
    rotated = rotation.apply(vectors) if rotation else vectors
    return {None: ProductCodec(fit_product(rotated, settings.chunks, settings.seed), rotation)}
