"""Scoring from codes against plain NumPy: one query, a batch, and a million items.

With DAE 200, trained on the full-size twin of MovieLens-20M for five epochs, and codes of its test users. Where more
items are needed than the twin has, its own are drawn again, with noise of a tenth of each dimension's spread. Both
sides take turns in one process; medians, and the medians of the ratios of the pairs, go to reports/performance.json.
About six minutes on 2 cores.

python tests/benchmarks/serving.py                     all lines
python tests/benchmarks/serving.py queries batches     only these
"""

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from scipy.sparse import csr_array

from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.interfaces.split import HeldOutUsers, load_split
from stages.ranking.ndcg import ndcg
from stages.run import paths
from stages.run.memory import keep_freed_memory
from stages.serving.package.package import Items, Package, Quantizer
from stages.serving.scoring import tables
from stages.serving.scoring.approximate import Approximate
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.scorer import Scorer, Top
from stages.serving.scoring.tables import Tables
from stages.serving.timing import with_more_items
from tests.benchmarks.performance import named, record
from tests.benchmarks.side import BATCH, DATASET, settings_of, training_of
from tests.benchmarks.training import compare

N = 100
ROUNDS = 7
QUERIES = 300  # a side and round
UNCOUNTED = 100  # calls before them: the other side has left its own data in the processor's cache
EPOCHS = 5  # after fewer, nearly all that tells items apart is how popular they are
USERS = 3000
VECTORS = 30_000  # that codebooks are fitted on
PLAIN = "decode, product, argpartition and sort in NumPy"
MORE_ITEMS, MILLION = 41_000, 1_000_000


class Trained(NamedTuple):
    """A model's items, codes of test users by the name of their codec, and what is held out of these users."""

    items: Items
    quantizers: dict[str, Quantizer]
    codes: dict[str, np.ndarray]
    users: HeldOutUsers

    def package(self, codec: str, n_items: int | None = None) -> Package:
        package = Package(codec, "0" * 64, None, self.quantizers[codec], self.items)
        return package if n_items is None else with_more_items(package, n_items, np.random.default_rng(0))


@cache
def trained() -> Trained:
    """Train, fit, and encode the fold-in of the first test users."""
    keep_freed_memory()
    split = load_split(paths.split(DATASET))
    training = training_of(settings_of("dae-200"), split, "float32", BATCH, EPOCHS, "cpu")
    list(training.run(iter))
    model = training.model.eval()
    vectors = model.embed_parts(split.train, torch.Generator().manual_seed(0))[:VECTORS]
    rows = split.test.scored()[:USERS]
    users = HeldOutUsers(split.test.fold_in[rows], split.test.held_out[rows])
    embeddings = model.embed(users.fold_in)
    residual = ResidualCodec(fit_residual(vectors, 20, 1234), 5)
    product = ProductCodec(fit_product(vectors, 40, 1234))
    prefixes = {f"{n_bytes} bytes": n_bytes for n_bytes in (20, 10, 5)}
    quantizers = {name: Quantizer("residual", residual.codebooks, n_bytes, 5) for name, n_bytes in prefixes.items()}
    codes = {name: residual.prefix(n_bytes).encode(embeddings) for name, n_bytes in prefixes.items()}
    quantizers["PQ 40×5"], codes["PQ 40×5"] = Quantizer("product", product.codebooks, 40), product.encode(embeddings)
    items = Items(
        split.items,
        None,
        model.output.weight.detach().numpy(),
        model.output.bias.detach().numpy(),
        np.bincount(split.train.indices, minlength=split.train.shape[1]),
    )
    return Trained(items, quantizers, codes, users)


class Plain:
    """The top items as NumPy alone gives them."""

    name, memory_bytes = "plain", 0

    def __init__(self, package: Package) -> None:
        self.package = package

    def top(self, codes: np.ndarray, n: int, seen: Sequence[np.ndarray] | None = None) -> Top:
        assert seen is None
        scores = self.package.quantizer.decode(codes) @ self.package.items.weight.T
        scores += self.package.items.bias
        top = np.argpartition(scores, -n, axis=1)[:, -n:]
        found = np.take_along_axis(scores, top, 1)
        order = np.argsort(-found, axis=1)
        return Top(np.take_along_axis(top, order, 1), np.take_along_axis(found, order, 1))


def in_turn(scorers: Sequence[Scorer], codes: np.ndarray, at_once: int, n_calls: int) -> np.ndarray:
    """Seconds of each call, (n_scorers, ROUNDS, n_calls); the users differ from call to call."""
    seconds = np.zeros((len(scorers), ROUNDS, n_calls))
    for round_ in range(ROUNDS):
        for number, scorer in enumerate(scorers):
            for _ in range(min(UNCOUNTED, n_calls)):
                scorer.top(codes[:at_once], N)
            for call in range(n_calls):
                first = (round_ * n_calls + call) * at_once % (len(codes) - at_once + 1)
                batch = codes[first : first + at_once]
                started = perf_counter()
                scorer.top(batch, N)
                seconds[number, round_, call] = perf_counter() - started
    return seconds


def overlap(package: Package, scorer: Scorer, codes: np.ndarray) -> float:
    """Share of the exact top that the scorer finds, of 300 users."""
    found, exact = scorer.top(codes[:300], N).items, Dense(package).top(codes[:300], N).items
    return float(np.mean([np.isin(exact[user], found[user]).mean() for user in range(300)]))


def queries() -> None:
    """One query to its top 100, by tables."""
    for codec, n_items, negligible, target in [
        ("20 bytes", None, tables.NEGLIGIBLE, 5.0),
        ("20 bytes", None, 0.0, 5.0),
        ("20 bytes", MORE_ITEMS, tables.NEGLIGIBLE, 5.0),
        ("20 bytes", MORE_ITEMS, 0.0, 5.0),
        ("10 bytes", None, tables.NEGLIGIBLE, None),
        ("5 bytes", None, tables.NEGLIGIBLE, None),
        ("PQ 40×5", None, tables.NEGLIGIBLE, None),
    ]:
        package, codes = trained().package(codec, n_items), trained().codes[codec]
        with patch.object(tables, "NEGLIGIBLE", negligible):
            scorer, n_tables = Tables(package), len(tables.levels_that_count(package))
        what = f"one query to its top 100, {codec} ({n_tables} with tables), {len(package.items.bias):,} items"
        name = f"query_{codec}_{len(package.items.bias)}".replace(" ", "_").replace("×", "x").lower()
        name += "" if negligible else "_every_table"
        ours, theirs = 1e6 * in_turn([scorer, Plain(package)], codes, 1, QUERIES)
        compare(
            name,
            [median(calls) for calls in ours.tolist()],
            [median(calls) for calls in theirs.tolist()],
            what=f"{what}, by tables",
            unit="µs",
            than=PLAIN,
            faster_is_more=False,
            at_least=target,
            memory_mb=scorer.memory_bytes / 1e6,
        )
        if target is None:
            continue
        share = overlap(package, scorer, codes)
        record(
            f"{name}_overlap", what=f"{what}: overlap@100 with exact scores", unit="", ours=share, theirs=None,
            digits=5, target="≥ 0.9999", met=share >= 0.9999,
        )  # fmt: skip
        p50, p99 = np.quantile(ours, [0.5, 0.99])
        record(
            f"{name}_p99", what=f"{what}: p99", unit="µs", ours=p99, theirs=p50, than="p50", ratio=p99 / p50,
            ratio_digits=2, target="< 2×", met=bool(p99 < 2 * p50),
        )  # fmt: skip
    of_users, fold_in = trained().users, trained().users.fold_in
    package, codes = trained().package("20 bytes"), trained().codes["20 bytes"]
    seen = [fold_in.indices[start:end] for start, end in zip(fold_in.indptr, fold_in.indptr[1:], strict=False)]
    by_tables, exact = (
        ndcg_of(scorer.top(codes, N, seen).items, of_users.held_out) for scorer in (Tables(package), Dense(package))
    )
    record(
        "query_ndcg", what="NDCG@100 by tables, 20 bytes", unit="", ours=by_tables, theirs=exact, digits=5,
        than="exact scores", ratio=by_tables / exact, ratio_digits=5, target="equal to 1e-4",
        met=abs(by_tables - exact) <= 1e-4,
    )  # fmt: skip


def ndcg_of(items: np.ndarray, held_out: csr_array) -> float:
    hits = np.stack([np.isin(row, held_out[[user]].indices) for user, row in enumerate(items)])
    return float(ndcg(torch.from_numpy(hits), torch.from_numpy(np.diff(held_out.indptr)).long(), N).mean())


def batches() -> None:
    """A batch of 512 users to their top 100, by the best of the ways."""
    for n_items in (None, MORE_ITEMS):
        package, codes = trained().package("20 bytes", n_items), trained().codes["20 bytes"]
        ways: list[Scorer] = [Tables(package), Dense(package)]
        *by_way, theirs = 1e3 * np.median(in_turn([*ways, Plain(package)], codes, 512, 5), axis=2)
        best = min(range(len(ways)), key=lambda way: float(np.median(by_way[way])))
        compare(
            f"batch_{len(package.items.bias)}",
            by_way[best].tolist(),
            theirs.tolist(),
            what=f"512 users to their top 100, 20 bytes, {len(package.items.bias):,} items, by {ways[best].name}",
            unit="ms",
            than=PLAIN,
            faster_is_more=False,
            at_least=2.0,
            by_way={way.name: float(np.median(times)) for way, times in zip(ways, by_way, strict=True)},
        )


def million() -> None:
    """One query among a million items."""
    package, codes = trained().package("20 bytes", MILLION), trained().codes["20 bytes"]
    for make, target in ((Approximate, 10.0), (Tables, None)):
        started = perf_counter()
        scorer: Scorer = make(package)
        built = perf_counter() - started
        ours, theirs = 1e3 * np.median(in_turn([scorer, Plain(package)], codes, 1, 20), axis=2)
        recall = overlap(package, scorer, codes)
        compare(
            f"million_{scorer.name}",
            ours.tolist(),
            theirs.tolist(),
            what=f"one query to its top 100, 20 bytes, a million items, {scorer.name}: recall {recall:.3f}",
            unit="ms",
            digits=2,
            than=PLAIN,
            faster_is_more=False,
            at_least=target,
            recall=recall,
            build_seconds=built,
            memory_mb=scorer.memory_bytes / 1e6,
        )


LINES = {line.__name__: line for line in (queries, batches, million)}

if __name__ == "__main__":
    for measure in named(LINES, list(LINES)):
        measure()
