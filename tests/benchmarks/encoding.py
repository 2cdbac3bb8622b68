"""Encoding users against faiss: residual codes by a beam search, and product codes, of 200 dimensions and 20 bytes.

Guided codes are searched with a shortlist of the items, and with all of them. The vectors are drawn, with a variance
that falls as that of embeddings does. Both sides encode them in turn in this process, on as many threads, after a round
that does not count. Medians, and the medians of the ratios of the pairs, go to reports/performance.json. It takes some
minutes on 2 cores.

python tests/benchmarks/encoding.py
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[2]))

import stages  # noqa: F401, I001 (before faiss: how its threads wait)
import faiss

from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, beam_search, fit_residual
from stages.search.kernels import N_THREADS
from stages.search.nearest import BeamSearch, NearestCodes
from stages.guided import objective
from stages.guided.encoder import GuidedCodec
from stages.guided.guide import Guide
from tests.benchmarks.performance import HEAD
from tests.benchmarks.training import compare

N_BYTES, BEAM, WIDTH = 20, 5, 200
USERS, FITTED = 30_000, 5000
ROUNDS = 5
ITEMS, HISTORY, GUIDED_USERS = 20_108, 70, 256  # items as in MovieLens-20M
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
    default.use_beam_LUT = 0
    what = f"encoding users: RQ of {N_BYTES} bytes, a beam of {BEAM}, {WIDTH} dimensions"
    against("encode_rq_20", what, ours, default.compute_codes, users, than="faiss's default encoder", at_least=4)
    with_tables = beam_search(codebooks, BEAM)
    guided(codebooks, users, axes, draws)
    against("encode_rq_20_tables", what, ours, with_tables.compute_codes, users, than="faiss with use_beam_LUT")

    codebooks = fit_product(fitted, N_BYTES, seed=0)
    what = f"encoding users: PQ {N_BYTES}×{WIDTH // N_BYTES}"
    against("encode_pq_20x10", what, NearestCodes(codebooks), ProductCodec(codebooks).encode, users, than="faiss")


def guided(codebooks: np.ndarray, users: np.ndarray, axes: np.ndarray, draws: np.random.Generator) -> None:
    """Codes chosen by a mixture of known items and scores; items are drawn along the axes of the vectors."""
    weight = (draws.standard_normal((ITEMS, WIDTH)) @ axes.T / 16).astype(np.float32)
    bias = np.log(1 / (10 + draws.permutation(ITEMS))).astype(np.float32)
    keys = users[:GUIDED_USERS] @ weight.T + bias + draws.gumbel(size=(GUIDED_USERS, ITEMS)).astype(np.float32)
    known = np.argpartition(-keys, HISTORY, axis=1)[:, :HISTORY]  # Gumbel keys: a draw from the model's softmax
    rows = np.repeat(np.arange(GUIDED_USERS), HISTORY)
    histories = csr_array((np.ones(known.size, np.float32), (rows, known.ravel())), shape=(GUIDED_USERS, ITEMS))
    output = torch.from_numpy(weight), torch.from_numpy(bias)
    for candidates in 8, 32, 128:
        codec = GuidedCodec(ResidualCodec(codebooks, BEAM), *output, Guide("mixture", candidates, 0.2, 0.0))

        def encode(vectors: np.ndarray, codec: GuidedCodec = codec) -> np.ndarray:
            return codec.encode_users(vectors, histories)

        def over_all_items(vectors: np.ndarray, codec: GuidedCodec = codec) -> np.ndarray:
            shortlist, objective.SHORTLIST = objective.SHORTLIST, ITEMS
            try:
                return codec.encode_users(vectors, histories)
            finally:
                objective.SHORTLIST = shortlist

        against(
            f"encode_guided_20_of_{candidates}",
            f"encoding users: RQ of 20 bytes by a mixture, from {candidates} candidates, {ITEMS:,} items",
            encode,
            over_all_items,
            users[:GUIDED_USERS],
            than="scores of all items",
            at_least=None,
        )


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
