"""How the variance of vectors is spread, what a codec loses of it, and the time that it takes."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages.interfaces.codec import Codec

MOST_VECTORS_TIMED = 10_000
LONG_ENOUGH = 2e6  # microseconds of all runs, after which there is no other
RUNS = 5


def variance_lost(vectors: np.ndarray, decoded: np.ndarray) -> float | None:
    """Squared error of decoded vectors, as a share of the squared distance of the vectors to their mean.

    None where they are all alike, as that of a single user is, and the error is not 0.

    Parameters
    ----------
    vectors, decoded : float32 (n, d)
    """
    error = np.square(vectors - decoded).sum(dtype=np.float64)
    variance = np.square(vectors - vectors.mean(0, dtype=np.float64)).sum()  # just 0 where all are alike
    if error and not variance:
        return None
    return float(error / variance) if error else 0.0


def spectrum(vectors: np.ndarray) -> list[float]:
    """Share of the variance along each principal direction, from the largest on; nothing where there is no variance.

    Parameters
    ----------
    vectors : float32 (n, d)
    """
    centred = vectors - vectors.mean(0, dtype=np.float64)
    variances = np.linalg.eigvalsh(centred.T @ centred)[::-1].clip(min=0)
    return (variances / variances.sum()).tolist() if variances.sum() else []


def microseconds(codec: Codec, encode: Callable[[], np.ndarray | csr_array]) -> tuple[float, float]:
    """Encoding and decoding time in microseconds per vector, all vectors at once: the fastest of up to `RUNS` runs.

    Parameters
    ----------
    encode : gives the codes of some vectors
    """
    codes = encode()
    n = codes.shape[0]
    return _fastest(encode) / n, _fastest(lambda: codec.decode(codes)) / n


def _fastest(call: Callable[[], Any]) -> float:
    times: list[float] = []
    while len(times) < RUNS and sum(times) < LONG_ENOUGH:
        started = perf_counter()
        call()
        times.append((perf_counter() - started) * 1e6)
    return min(times)
