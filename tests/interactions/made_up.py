"""Made-up ratings with the cases that a split can get wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import Interactions, read_interactions
from stages.interactions.protocol.parts import Rows, joined
from tests.interactions.literal import Rating


def awkward_ratings(seed: int) -> list[Rating]:
    """Unsorted ratings of 40 users: many with 4, 5, 9 or 10 good ones, rare items, ties in time."""
    generator = np.random.default_rng(seed)
    rows = []
    for user in generator.choice(1000, size=40, replace=False).tolist():
        n_liked = generator.choice([3, 4, 5, 6, 9, 10, 25])
        items = generator.choice(60, size=n_liked + generator.integers(0, 4), replace=False) ** 2
        for place, item in enumerate(items.tolist()):
            rating = generator.choice([4.0, 4.5, 5.0] if place < n_liked else [0.5, 3.5])
            rows.append((user, item, float(rating), int(generator.integers(0, 3))))
    return [rows[place] for place in generator.permutation(len(rows))]


class LogInMemory(Reader):
    """Reads parts that were never written; text ids are encoded as readers of files do."""

    def __init__(self, *parts: pa.RecordBatch) -> None:
        super().__init__({name: name for name in parts[0].schema.names}, "refuse", [])
        self.parts = {Path(f"part-{place}"): part for place, part in enumerate(parts)}
        self.paths = list(self.parts)

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        part = self.parts[path]
        columns = [column.dictionary_encode() if column.type == pa.string() else column for column in part.columns]
        yield pa.record_batch(columns, names=part.schema.names)

    def place(self, path: Path, row: int) -> str:
        return f"{path}, row {row}"


def batch(rows: list[Rating]) -> pa.RecordBatch:
    """As a reader of files gives it."""
    return pa.RecordBatch.from_pylist(
        [dict(zip(("user", "item", "rating", "timestamp"), row, strict=True)) for row in rows]
    )


def interactions_of(rows: list[Rating], threshold: float = 3.5, at_least: int = 5, **time: Any) -> Interactions:
    """As they are found in ratings; time : by_time and cut of `read_interactions`."""
    log = LogInMemory(batch(rows))
    return read_interactions(log.paths, log, threshold, Minimums(at_least), **time)[0]


def pairs_of(interactions: Interactions) -> list[tuple[int, int]]:
    """User and item by their ids."""
    rows = rows_of(interactions)
    columns = interactions.users[rows.user], interactions.items[rows.item]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def rows_of(interactions: Interactions) -> Rows:
    """All in one part."""
    return joined(interactions.parts.each(lambda rows: rows))
