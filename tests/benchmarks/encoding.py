"""Encoding users against faiss: residual codes by a beam search, and product codes, of 200 dimensions and 20 bytes.

The vectors are drawn, with a variance that falls as that of embeddings does. Both sides encode them in turn in this
process, on as many threads, after a round that does not count. Medians, and the medians of the ratios of the pairs, go
to reports/performance.json. It takes about 2 minutes on 2 cores.

python tests/benchmarks/encoding.py
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import stages  # noqa: F401, I001 (before faiss: how its threads wait)
import faiss

from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import beam_search, fit_residual
from stages.codebooks.search.kernels import N_THREADS
from stages.codebooks.search.nearest import BeamSearch, NearestCodes
from tests.benchmarks.performance import HEAD
from tests.benchmarks.training import compare

N_BYTES, BEAM, WIDTH = 20, 5, 200
USERS, FITTED = 30_000, 5000
ROUNDS = 5
Encode = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    faiss.omp_set_num_threads(N_THREADS)
    draws = np.random.default_rng(0)
    axes = draws.standard_normal((WIDTH, WIDTH)) * np.exp(-np.arange(WIDTH) / 30)
    vectors = np.tanh(draws.standard_normal((FITTED + USERS, WIDTH)) @ axes.T / 10).astype(np.float32)
    fitted, users = vectors[:FITTED], vectors[FITTED:]
    print(HEAD)

    codebooks = fit_residual(fitted, N_BYTES, seed=0)
    ours, default = BeamSearch(codebooks, BEAM), beam_search(codebooks, BEAM)
    what = f"encoding users: RQ of {N_BYTES} bytes, a beam of {BEAM}, {WIDTH} dimensions"
    against("encode_rq_20", what, ours, default.compute_codes, users, than="faiss's default encoder", at_least=4)
    with_tables = beam_search(codebooks, BEAM)
    with_tables.compute_codebook_tables()
    with_tables.use_beam_LUT = 1
    against("encode_rq_20_tables", what, ours, with_tables.compute_codes, users, than="faiss with use_beam_LUT")

    codebooks = fit_product(fitted, N_BYTES, seed=0)
    what = f"encoding users: PQ {N_BYTES}×{WIDTH // N_BYTES}"
    against("encode_pq_20x10", what, NearestCodes(codebooks), ProductCodec(codebooks).encode, users, than="faiss")


def against(
    name: str, what: str, ours: Encode, theirs: Encode, users: np.ndarray, *, than: str, at_least: float | None = None
) -> None:
    sides = ours, theirs
    codes = [encode(users) for encode in sides]
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for encode, taken in zip(sides, seconds, strict=True):
            started = perf_counter()
            encode(users)
            taken.append(perf_counter() - started)
    speeds = [[len(users) / one for one in taken] for taken in seconds]
    compare(
        name,
        *speeds,
        faster_is_more=True,
        at_least=at_least,
        what=what,
        than=than,
        unit="users/s",
        digits=0,
        microseconds_per_user=[float(np.median(taken)) / len(users) * 1e6 for taken in seconds],
        equal_codes=float((codes[0] == codes[1]).all(1).mean()),
    )


if __name__ == "__main__":
    main()
