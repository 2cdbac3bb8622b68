"""A log that is larger than memory, cut into parts on disk by user."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.ipc

from stages.config.params import ScaleSettings
from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.log import Log, above, batches_of, number, times_of
from stages.interactions.protocol.parts import OnDisk, Rows, save_rows
from stages.run.errors import UserError
from stages.scale.engine import LOCAL

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2⁶⁴ divided by the golden ratio: multiples of it are spread evenly (Knuth, TAOCP 6.4)."""
ROWS_AT_ONCE = 2**17
"""Of a part that are kept in memory before they are written, at most."""
ROWS_KEPT = 2**25
"""Of all parts: about a gigabyte."""
OTHER_FILES = 100
"""That may be open beside the parts."""


class Spill(NamedTuple):
    """Where parts go, and how many there are."""

    folder: Path
    """An existing folder, for as long as the parts are in use."""
    n_parts: int
    """Each needs memory for its share of the rows."""
    settings: ScaleSettings = LOCAL
    """Who works on them."""


def spilled_log(files: list[Path], reader: Reader, threshold: float | None, spill: Spill) -> Log:
    """Read files as `read_log` does, in the memory of one part, the ids, and the batches under way.

    Raises
    ------
    UserError
        as `read_log`.
    """
    raw = spill.folder / "raw"
    n_rows, n_incomplete = write_parts(files, reader, threshold, spill.n_parts, raw)
    names = sorted((path.name for path in raw.iterdir()), key=int)  # a part that no user falls into is not there
    of_parts, items = [], np.empty(0, dtype=np.int64)
    for name in names:
        ids = _read(raw / name, ["user", "item"])
        of_parts.append(number([ids["user"]])[0])
        items = _union([items, number([ids["item"]])[0]])
    users, parts = _union(of_parts), OnDisk(spill.folder, len(names), spill.settings)
    for number_, name in enumerate(names):
        save_rows(_numbered(_read(raw / name), users, items, reader.keeps_order), parts.path(number_))
        rmtree(raw / name)
    return Log(users, items, parts, False, n_rows, n_incomplete)


def write_parts(
    files: list[Path], reader: Reader, threshold: float | None, n_parts: int, folder: Path
) -> tuple[int, int]:
    """Write the rows of each part into a folder of its own, in the order of the log, in flat memory.

    Returns
    -------
    complete rows, and incomplete ones, which are left out

    Raises
    ------
    UserError
        as `read_log`, and where there are more parts than a process may open files.
    """
    allow_open_files(n_parts)
    at_once = min(ROWS_AT_ONCE, ROWS_KEPT // n_parts)
    counts = [0, 0]
    kept: list[list[pa.RecordBatch]] = [[] for _ in range(n_parts)]
    n_kept = np.zeros(n_parts, dtype=np.int64)
    # Not by pyarrow's own writer of datasets: it aborted one of some twenty processes that ended right after it,
    # presumably as a thread of its own still held what is Python's.
    with ExitStack() as opened:
        writers: dict[int, pa.RecordBatchFileWriter] = {}

        def write(part: int) -> None:
            rows = pa.Table.from_batches(kept[part]).combine_chunks()
            if part not in writers:
                file = folder / str(part) / "rows.arrow"
                file.parent.mkdir(parents=True)
                writers[part] = opened.enter_context(pa.ipc.new_file(file, rows.schema))
            writers[part].write_table(rows)
            kept[part], n_kept[part] = [], 0

        for batch, part_of in _with_parts(files, reader, threshold, n_parts, counts):
            order = np.argsort(part_of, kind="stable")
            borders = np.searchsorted(part_of, np.arange(n_parts + 1), sorter=order)
            for part in np.flatnonzero(np.diff(borders)).tolist():
                kept[part].append(batch.take(pa.array(order[borders[part] : borders[part + 1]])))
            n_kept += np.diff(borders)
            for part in np.flatnonzero(n_kept >= at_once).tolist():
                write(part)
        for part in np.flatnonzero(n_kept).tolist():
            write(part)
    return counts[0], counts[1]


def allow_open_files(n_parts: int) -> None:
    """Raise the soft limit on open files, of which each part is one; UserError where the system allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = n_parts + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UserError(
            f"scale.parts in params.yaml is {n_parts:,}, which takes as many open files; the system allows {hard:,} "
            "of them; lower it, or raise the limit (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _with_parts(
    files: list[Path], reader: Reader, threshold: float | None, n_parts: int, counts: list[int]
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """Batches with the columns of `Rows`, ids as they are, and the part of each row, int16.

    counts : complete rows and incomplete ones are added
    """
    for batch, n_dropped in batches_of(files, reader):
        counts[1] += n_dropped
        if not len(batch):
            continue
        columns = {name: _whole(batch[name]) for name in reader.names if name != "rating"}
        if threshold is not None:
            columns["is_above"] = pa.array(above(np.from_dlpack(batch["rating"]), threshold))
        columns["row"] = pa.array(np.arange(counts[0], counts[0] + len(batch)))
        counts[0] += len(batch)
        yield pa.record_batch(columns), _part_of(batch["user"], n_parts)


def _whole(column: pa.Array) -> pa.Array:
    """The same as 64 bits or text, whatever the batch needs."""
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else column


def _part_of(users: pa.Array, n_parts: int) -> np.ndarray:
    """The part of each row, int16: the same for all rows of a user."""
    if pa.types.is_dictionary(users.type):
        from pandas.util import hash_array  # takes a while to import

        hashes = hash_array(users.dictionary.to_numpy(zero_copy_only=False), categorize=False)
        return (hashes % n_parts).astype(np.int16)[users.indices.to_numpy()]
    hashes = np.from_dlpack(users).astype(np.uint64) * GOLDEN >> np.uint64(32)
    return (hashes % n_parts).astype(np.int16)


def _read(part: Path, columns: list[str] | None = None) -> dict[str, pa.Array]:
    """Columns of a part, text as a dictionary."""
    table = ds.dataset(part, format="ipc").to_table(columns)
    arrays = {name: table[name].combine_chunks() for name in table.column_names}
    return {
        name: array.dictionary_encode() if pa.types.is_string(array.type) else array for name, array in arrays.items()
    }


def _union(all_ids: list[np.ndarray]) -> np.ndarray:
    """The distinct ids of all, sorted."""
    filled = [ids for ids in all_ids if len(ids)]
    if filled and filled[0].dtype == object:
        return np.array(sorted(set().union(*(ids.tolist() for ids in filled))), dtype=object)
    ids = np.sort(np.concatenate(filled or all_ids))  # np.unique hashes, which takes ten times as long
    return ids[np.diff(ids, prepend=ids[:1] - 1) != 0]


def _numbered(columns: dict[str, pa.Array], users: np.ndarray, items: np.ndarray, keeps_order: bool) -> Rows:
    """The rows of a part, with the positions of their ids among those of all parts."""
    user, item = (
        np.searchsorted(all_ids, own).astype(np.int32)[position]
        for all_ids, (own, position) in ((users, number([columns["user"]])), (items, number([columns["item"]])))
    )
    is_above = np.from_dlpack(columns["is_above"].cast(pa.int8())).astype(bool) if "is_above" in columns else None
    timestamp = times_of([columns["timestamp"]]) if "timestamp" in columns else None
    row = np.from_dlpack(columns["row"])
    if not keeps_order:
        row = user.astype(np.int64) * len(items) + item
    rows = Rows(user, item, row, is_above, timestamp)
    return rows if (np.diff(row) > 0).all() else rows.where(np.argsort(row, kind="stable"))
