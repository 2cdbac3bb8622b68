"""All files of a log as one, in arrays."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.parts import InMemory, Parts, Rows
from stages.run.errors import UserError

DENSE_IDS = 100_000_000  # integers below this are numbered with a look-up table


@dataclass(frozen=True)
class Log:
    """Rows of a log. Users and items are numbered in the sorted order of their ids."""

    users: np.ndarray
    """Original ids of the users, int64 or str, distinct and sorted."""
    items: np.ndarray
    """Original ids of the items, likewise."""
    parts: Parts
    """The rows, in the order of the files, or sorted by user, then item, where that order means nothing."""
    is_in_order: bool
    """Whether rows ascend by user, then item, as in MovieLens. Then no pair occurs twice, rows that are not above the
    threshold are left out, and there are no timestamps unless they are wanted."""
    n_rows: int
    """Complete rows, with those left out."""
    n_incomplete: int
    """Rows that were dropped because they lack a value."""


class _OutOfOrderError(Exception):
    """Rows do not ascend by user, then item."""


def read_log(files: list[Path], reader: Reader, threshold: float | None, by_time: bool) -> Log:
    """Read files of one format.

    Parameters
    ----------
    threshold : that ratings are compared with; None if there are no ratings
    by_time : whether timestamps are wanted even of rows in order

    Raises
    ------
    UserError
        as `Reader.read`, where there are no rows, and where ids or timestamps are of one kind in one file and of
        another kind in another.
    """
    if not reader.keeps_order:
        return _read(files, reader, threshold, True, in_order=False)
    try:
        return _read(files, reader, threshold, by_time, in_order=True)  # takes half of the memory
    except _OutOfOrderError:  # mostly in the first rows
        return _read(files, reader, threshold, True, in_order=False)


def batches_of(files: list[Path], reader: Reader) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The batches of all files, each with the number of incomplete rows that were dropped; errors as in `read_log`."""
    kinds: dict[str, tuple[str, Path]] = {}
    n_rows = n_incomplete = 0
    for file in files:
        for batch, n_dropped in reader.read(file):
            n_rows, n_incomplete = n_rows + len(batch), n_incomplete + n_dropped
            for name in (name for name in reader.names if name != "rating" and len(batch)):
                kind = _kind(batch[name].type)
                first_kind, first_file = kinds.setdefault(name, (kind, file))
                if kind != first_kind:
                    what = "timestamps" if name == "timestamp" else f"{name} ids"
                    raise UserError(f"{what} are {first_kind} in {first_file} but {kind} in {file}; write all alike")
            yield batch, n_dropped
    if not n_rows:
        dropped = f"; all {n_incomplete:,} rows lack a value and were dropped" if n_incomplete else ""
        raise UserError(f"there are no ratings in {', '.join(map(str, files[:3]))}{dropped}; put the whole log there")


def _read(files: list[Path], reader: Reader, threshold: float | None, by_time: bool, in_order: bool) -> Log:
    wanted = {"user", "item", "timestamp"} if by_time else {"user", "item"}
    columns: dict[str, list[pa.Array]] = {name: [] for name in reader.names if name in wanted}
    all_above: list[np.ndarray] = []
    n_rows = n_incomplete = 0
    before: tuple[int, int] | None = None
    for batch, n_dropped in batches_of(files, reader):
        n_rows, n_incomplete = n_rows + len(batch), n_incomplete + n_dropped
        if not len(batch):
            continue
        is_above = None if threshold is None else above(np.from_dlpack(batch["rating"]), threshold)
        if in_order:
            before = _last_pair(batch, before)
            if is_above is not None:
                batch = batch.select(list(columns)).filter(pa.array(is_above))
        elif is_above is not None:
            all_above.append(is_above)
        for name, pieces in columns.items():
            pieces.append(batch[name])
    with ThreadPoolExecutor(2) as pool:
        (users, user), (items, item) = pool.map(number, (columns.pop("user"), columns.pop("item")))
    timestamp = times_of(columns["timestamp"]) if "timestamp" in columns else None
    is_above = np.concatenate(all_above) if all_above else None
    rows = Rows(user, item, None, is_above, timestamp)
    if not reader.keeps_order:
        rows = rows.where(np.lexsort((item, user)))
    return Log(users, items, InMemory(rows), in_order, n_rows, n_incomplete)


def _last_pair(batch: pa.RecordBatch, before: tuple[int, int] | None) -> tuple[int, int]:
    """User and item of the last row, if rows ascend strictly from the pair `before` on; else an _OutOfOrderError."""
    if not all(pa.types.is_integer(batch[name].type) for name in ("user", "item")):
        raise _OutOfOrderError
    user, item = (np.from_dlpack(batch[name]) for name in ("user", "item"))
    ascends = (user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (item[1:] > item[:-1]))
    if not ascends.all() or (before is not None and before >= (user[0], item[0])):
        raise _OutOfOrderError
    return int(user[-1]), int(item[-1])


def above(ratings: np.ndarray, threshold: float) -> np.ndarray:
    """Mask of the ratings above a threshold, both as they are written in decimals.

    The float32 nearest to 3.7 is greater than the float64 nearest to 3.7, and yet a rating of 3.7 is not above 3.7.

    Parameters
    ----------
    ratings : float16, float32 or float64
    """
    if ratings.dtype == np.float64:
        return ratings > threshold
    near = ratings.dtype.type(threshold)
    least = next(
        value
        for value in (np.nextafter(near, -np.inf), near, np.nextafter(near, np.inf))
        if float(str(value)) > threshold
    )
    return ratings >= least


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_timestamp(type_):
        return "dates with a time zone" if type_.tz else "dates without a time zone"
    return "text" if pa.types.is_dictionary(type_) else "numbers"


def times_of(pieces: list[pa.Array]) -> np.ndarray:
    """Timestamps as in `Rows`; pieces : of one type."""
    if pa.types.is_timestamp(pieces[0].type):
        return np.concatenate([np.from_dlpack(piece.cast(pa.int64())) for piece in pieces]).view("datetime64[ns]")
    return np.concatenate([np.from_dlpack(piece) for piece in pieces])


def number(pieces: list[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids, sorted, and the position of each row's id among them, int32."""
    if pa.types.is_dictionary(pieces[0].type):
        return _sorted(pa.chunked_array(pieces).unify_dictionaries().combine_chunks())
    ids: list[np.ndarray] = [np.from_dlpack(piece) for piece in pieces]  # to_numpy would import pandas
    largest = max(int(piece.max(initial=0)) for piece in ids)
    if largest >= DENSE_IDS or min(int(piece.min(initial=0)) for piece in ids) < 0:
        return _sorted(pa.array(np.concatenate(ids, dtype=np.int64)).dictionary_encode())
    is_there = np.zeros(largest + 1, dtype=bool)  # several times faster than hashing
    for piece in ids:
        is_there[piece] = True
    numbers = np.cumsum(is_there, dtype=np.int32) - 1
    position = np.empty(sum(map(len, ids)), dtype=np.int32)
    start = 0
    for piece in ids:
        numbers.take(piece, out=position[start : start + len(piece)], mode="clip")  # "raise" would copy
        start += len(piece)
    return np.flatnonzero(is_there), position


def _sorted(encoded: pa.DictionaryArray) -> tuple[np.ndarray, np.ndarray]:
    """The dictionary, sorted, and the position of each row's id in it, int32."""
    distinct = encoded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(distinct, kind="stable")
    position = np.empty(len(order), dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    return distinct[order], position[encoded.indices.to_numpy()]
