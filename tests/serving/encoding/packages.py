"""Packages with an encoder, made by hand."""

import numpy as np

from stages.serving.package.package import Items, Layer, Package, Quantizer

N_ITEMS, N_BYTES = 30, 3


def drawn_package(text: bool = False) -> Package:
    """Of items 100, 103, … or "item 100", …; a product quantizer of 3 bytes."""
    draws = np.random.default_rng(0)
    numbers = np.arange(N_ITEMS) * 3 + 100
    ids = np.array([f"item {number}" for number in numbers], object) if text else numbers
    layer = Layer(draws.normal(size=(N_ITEMS, 6)).astype(np.float32), np.zeros(6, np.float32), tanh=True)
    quantizer = Quantizer("product", draws.normal(size=(N_BYTES, 256, 2)).astype(np.float32), N_BYTES)
    items = Items(ids, None, layer.weight, np.zeros(N_ITEMS, np.float32), np.ones(N_ITEMS, np.int64))
    return Package("drawn", "d" * 64, [layer], quantizer, items)
