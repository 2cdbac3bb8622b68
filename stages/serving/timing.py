"""Measures how long it takes to encode users, to look them up and to rank their items."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from stages.serving.encoding.encoder import Encoder
from stages.serving.ids import Ids
from stages.serving.package.package import Items, Package
from stages.serving.scoring.scorer import Scorer
from stages.serving.store.store import Store

BATCH = 512
"""Users ranked or looked up at once."""
TOP = 100
"""Items of a list."""
ENCODED = 8192
"""Users encoded at once."""
COMPARED = 64
"""Users whose lists are compared with the exact ones."""
SECONDS = 3.0
"""After which a measurement ends, with `MOST` calls or less."""
MOST = 1000
NOISE = 0.1
"""Of made-up items: share of each dimension's spread."""


class Users(NamedTuple):
    """Users with a code."""

    ids: Ids
    codes: np.ndarray
    """uint8 (n_users, n_bytes)."""
    seen: Sequence[np.ndarray]
    """Columns of their items, which are not shown again."""


class Ranking(NamedTuple):
    """How fast one way of scoring ranks."""

    users_per_second: float
    """In batches of `BATCH`."""
    p50: float
    """µs of one query."""
    p99: float


def time_ranking(scorer: Scorer, users: Users, n_items: int) -> Ranking:
    """Rank users in batches, and one by one."""
    n, n_users = min(TOP, n_items), len(users.codes)
    size = min(BATCH, n_users)

    def rank(start: int, at_once: int) -> None:
        first = start * at_once % (n_users - at_once + 1)
        scorer.top(users.codes[first : first + at_once], n, users.seen[first : first + at_once])

    queries = seconds_of(lambda call: rank(call, 1))
    batches = seconds_of(lambda call: rank(call, size))
    p50, p99 = 1e6 * np.percentile(queries, [50, 99])
    return Ranking(size / float(np.median(batches)), float(p50), float(p99))


def overlap(scorer: Scorer, exact: Scorer, users: Users, n_items: int) -> float:
    """Share of the exact top items that a scorer finds, of some users."""
    n, codes, seen = min(TOP, n_items), users.codes[:COMPARED], users.seen[:COMPARED]
    lists = zip(scorer.top(codes, n, seen).items, exact.top(codes, n, seen).items, strict=True)
    return float(np.mean([np.isin(right, found).mean() for found, right in lists]))


def time_encoding(package: Package, histories: csr_array) -> tuple[float, float]:
    """µs per user of many at once, and µs of one alone, the medians; histories : (n_users, n_items) 0/1."""
    encoder, n_users = Encoder(package), histories.shape[0]
    many = histories[np.arange(max(ENCODED, n_users)) % n_users][:ENCODED]
    alone = seconds_of(lambda call: encoder.encode(histories[[call % n_users]]))
    together = seconds_of(lambda _: encoder.encode(many), most=5)
    return 1e6 * float(np.median(together)) / ENCODED, 1e6 * float(np.median(alone))


def time_looking_up(store: Store, users: Users, draws: np.random.Generator) -> tuple[float, float, float]:
    """µs of one look-up, the median and the 99th percentile, and users per second in random batches of `BATCH`."""
    ids, places = np.asarray(users.ids), draws.integers(0, len(users.codes), (MOST, BATCH))
    singles = ids[places[:, 0]].tolist()
    p50, p99 = 1e6 * np.percentile(seconds_of(lambda call: store.code(singles[call % MOST])), [50, 99])
    batches = seconds_of(lambda call: store.codes(ids[places[call % MOST]]))
    return float(p50), float(p99), BATCH / float(np.median(batches))


def seconds_of(work: Callable[[int], object], most: int = MOST) -> np.ndarray:
    """Seconds of each call of `work(number)`, one at least; the first does not count, unless it takes all the time."""

    def call(number: int) -> float:
        started = perf_counter()
        work(number)
        return perf_counter() - started

    first = call(0)
    if first >= SECONDS:
        return np.array([first])
    seconds: list[float] = []
    end = perf_counter() + SECONDS
    while not seconds or (len(seconds) < most and perf_counter() < end):
        seconds.append(call(len(seconds)))
    return np.array(seconds)


def with_more_items(package: Package, n_items: int, draws: np.random.Generator) -> Package:
    """The package with as many items: its own, and others like them, drawn from them with noise."""
    items = package.items
    old = draws.integers(0, len(items.bias), n_items - len(items.bias))
    noise = draws.standard_normal((len(old), items.weight.shape[1]), np.float32)
    noise *= NOISE * items.weight.std(0)
    noise += items.weight[old]
    more = Items(
        np.arange(n_items),
        None,
        np.concatenate([items.weight, noise]),
        np.concatenate([items.bias, items.bias[old]]),
        np.concatenate([items.interactions, items.interactions[old]]),
    )
    return replace(package, items=more)
