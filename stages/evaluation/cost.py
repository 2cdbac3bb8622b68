"""What a codec loses, and what it takes."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from stages.interfaces.codec import Codec, Embeddings

MOST_VECTORS_TIMED = 10_000
RUNS = 5


def variance_lost(codec: Codec, vectors: np.ndarray) -> float:
    """Squared distance of vectors (n, d) to what is decoded of them, in shares of that to their mean."""
    error = np.square(vectors - np.asarray(codec.decode(codec.encode(vectors)))).sum(dtype=np.float64)
    variance = np.square(vectors - vectors.mean(0)).sum(dtype=np.float64)
    return float(error / variance) if error else 0.0


def microseconds(codec: Codec, embeddings: Embeddings) -> tuple[float, float]:
    """Of encoding and of decoding, per vector of all these at once: the fastest of `RUNS`, undelayed by threads."""
    codes = codec.encode(embeddings)
    n = codes.shape[0]
    return _fastest(lambda: codec.encode(embeddings)) / n, _fastest(lambda: codec.decode(codes)) / n


def _fastest(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(RUNS):
        started = perf_counter()
        call()
        times.append(perf_counter() - started)
    return min(times) * 1e6
