"""Quantizers fitted after training: one module per `kind` under `quantizers:` in params.yaml, of the same name.

Each module has `fit(settings, vectors, n_items)`, and defines the codec that it returns unless another package does.
"""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np

from stages.codebooks import fitted
from stages.codebooks.fitted import FittedCodec
from stages.config.quantizer import QuantizerSettings
from stages.config.strict import Variant


def fit(settings: QuantizerSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:
    """Fit a quantizer on vectors, and return a codec for each of its variants.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_items : number of items of the model

    Raises
    ------
    UserError
        where there are fewer vectors than the quantizer needs, all are the same, or one is not finite.
    """
    codecs: dict[Variant, FittedCodec] = import_module(f".{settings.kind}", __package__).fit(settings, vectors, n_items)
    return codecs


def load_codec(path: Path) -> FittedCodec:
    """Load a codec of any kind; errors as in `stages.codebooks.fitted.load_codec`."""
    for module in iter_modules(__path__):
        import_module(f".{module.name}", __package__)
    return fitted.load_codec(path)
