"""Residual quantization after training (RQ)."""

import numpy as np

from stages.codebooks.fitted import FittedCodec
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.config.quantizer import ResidualSettings
from stages.config.strict import Variant


def fit(settings: ResidualSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit the codebooks of the longest code; shorter codes are its prefixes; see `stages.codecs.fit`."""
    codec = ResidualCodec(fit_residual(vectors, settings.bytes[0], settings.seed), settings.beam)
    return {n_bytes: codec.prefix(n_bytes) for n_bytes in settings.bytes}
