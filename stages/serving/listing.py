"""The best items of all users of some histories, part by part."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stages.config.params import ScaleSettings
from stages.config.serving import ServingSettings
from stages.scale.engine import Failed
from stages.serving.encoding.encoder import Encoder, check_encoder
from stages.serving.encoding.histories import read_histories
from stages.serving.encoding.parts import write_table
from stages.serving.in_parts import Part, Task, finished, in_parts
from stages.serving.known import USERS_AT_ONCE, columns_of
from stages.serving.lists import Users, lists_of
from stages.serving.package.package import Package
from stages.serving.scoring.planner import choose
from stages.serving.scoring.popularity import Popularity
from stages.serving.scoring.scorer import check_n


def list_histories(
    histories: Path, package: Package, n: int, scoring: ServingSettings, folder: Path, settings: ScaleSettings
) -> Iterator[Part | Failed[Task]]:
    """Encode all users, and list the n items whose scores by the code are best, without those of the history.

    Each part has the columns user, items, scores and popular, as the file of `write_lists`.

    Parameters
    ----------
    package : one with an encoder
    n : items per user; a user with fewer items left has a shorter list
    scoring : how items are scored
    histories, folder : as in `in_parts`

    Raises
    ------
    UserError
        as in `in_parts`; where there are fewer items than `n`; or as in `choose`.
    """
    check_encoder(package)
    check_n(n, len(package.items.ids))
    decisive = json.dumps([package.digest, n, scoring.scorer, scoring.memory])
    maker = hashlib.sha256(decisive.encode()).hexdigest()
    yield from in_parts(
        histories,
        folder,
        "items",
        maker,
        partial(_Listing, package, n, scoring, settings.gpus_per_worker > 0),
        settings,
    )


class _Listing:
    """Makes parts, with an encoder and a scorer that are made once."""

    def __init__(self, package: Package, n: int, scoring: ServingSettings, on_gpu: bool) -> None:
        self.package, self.n = package, n
        self.encoder, self.popularity = Encoder(package, on_gpu), Popularity(package.items)
        self.scorer, _ = choose(package, scoring.scorer, scoring.memory * 1e9, USERS_AT_ONCE)

    def __call__(self, task: Task) -> Part:
        table = finished(task)
        kept = table is not None
        if table is None:
            table = self._listed(task)
        return Part(task.path, len(table), pc.sum(table["popular"]).as_py(), kept)

    def _listed(self, task: Task) -> pa.Table:
        tables = []
        for batch in read_histories(task.pieces, self.package.items.ids):
            codes, seen = self.encoder.encode(batch.interactions), columns_of(batch.interactions)
            users = Users(batch.users, codes, batch.known > 0, seen)
            tables.append(lists_of(users, self.package, self.scorer, self.popularity, self.n))
        table = pa.concat_tables(tables).replace_schema_metadata(task.origin.metadata())
        write_table(task.path, table)
        return table
