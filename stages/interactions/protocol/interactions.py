"""From files of ratings to interactions: last ratings above the threshold, of users with enough of them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from stages.interactions.protocol.cut import is_before
from stages.interactions.protocol.filters import Minimums
from stages.run.errors import UserError

NARROW = 4  # bytes of a number that fits
DENSE_IDS = 100_000_000  # integers below this are numbered with a look-up table

Pieces = list[np.ndarray]
"""A column in pieces, as the files were read; each fits the processor's cache."""


@dataclass(frozen=True)
class Interactions:
    """Distinct pairs of user and item, in the order of the files.

    Users and items are numbered in the sorted order of their ids, so that later steps do not depend on the type of id.
    """

    users: np.ndarray
    """Original ids of the users, int64 or str, sorted; a user may have no interaction."""
    items: np.ndarray
    """Original ids of the items, likewise."""
    user: np.ndarray
    """int32 (n_interactions,), position in `users`."""
    item: np.ndarray
    """int32 (n_interactions,), position in `items`."""
    timestamp: np.ndarray | None = None
    """datetime64[ns] (n_interactions,), int64 or float64; None where the split does not go by it."""
    is_past: np.ndarray | None = None
    """bool (n_interactions,), before the cut; None without a cut."""

    def __len__(self) -> int:
        return len(self.user)

    def count_of_users(self, ids: np.ndarray) -> np.ndarray:
        """Number of interactions of each of these users, int64; ids : original ids."""
        return _count(self.user, self.users, ids)

    def count_of_items(self, ids: np.ndarray) -> np.ndarray:
        """Number of interactions of each of these items, int64; ids : original ids."""
        return _count(self.item, self.items, ids)


class Counts(NamedTuple):
    """What became of the ratings."""

    ratings: int
    """Before any filter."""
    superseded_ratings: int
    """Left out because the same user rated the same item later."""
    filter_rounds: int
    """Rounds of `Minimums` in which any were dropped."""


def read_interactions(
    files: list[Path],
    read: Callable[[Path], Iterator[pa.RecordBatch]],
    threshold: float | None,
    minimums: Minimums,
    by_time: bool = False,
    cut: str | float | None = None,
) -> tuple[Interactions, Counts]:
    """Read files of ratings as one, and filter them to interactions (protocol, step 1), in the order of the files.

    If a user rated an item more than once, only the last rating by timestamp counts. Without timestamps, and for equal
    ones, the last rating in the files counts. With a cut, this and the filters hold for what is before the cut by
    itself, as nothing else was known then.

    Parameters
    ----------
    files : files of one format
    read : function that yields a file's columns in batches: user and item (integers or strings, without nulls), and
        optionally rating (float64) and timestamp (timestamp of ns, or int64 or float64)
    threshold : a rating above it is an interaction; None if there are no ratings, and every row is an interaction
    minimums : whoever has fewer interactions is dropped
    by_time : whether interactions get timestamps
    cut : a date or a number, see `is_before`; then interactions get `is_past` in place of timestamps

    Raises
    ------
    UserError
        where there are no ratings, no interactions are left, there is no timestamp to go by, or ids are numbers in one
        file and text in another.
    """
    columns = _read_columns(files, read)
    words = {name: _number_words(columns, name) for name in ("user", "item") if isinstance(columns[name][0], pa.Array)}
    n_ratings = sum(map(len, columns["user"]))
    timestamp, is_past = _times(columns, cut) if by_time else (None, None)
    chosen, n_superseded = _last_of_each_pair(columns, is_past)
    if threshold is not None:
        good = [piece > np.float64(threshold) for piece in columns["rating"]]
        chosen = good if chosen is None else [last & piece for last, piece in zip(chosen, good, strict=True)]
    if chosen is not None:
        for name in ("user", "item"):
            columns[name] = [piece[here] for piece, here in zip(columns[name], chosen, strict=True)]
        timestamp, is_past = (_where(values, chosen) for values in (timestamp, is_past))
    with ThreadPoolExecutor(2) as pool:
        (users, user), (items, item) = pool.map(_number, (columns["user"], columns["item"]))
    enough, n_rounds = minimums.enough(user, item, is_past)
    if not enough.any():
        raise _nothing_left(n_ratings, len(user) if is_past is None else is_past.sum(), threshold, minimums, cut)
    users, items = (words[name][ids] if name in words else ids for name, ids in (("user", users), ("item", items)))
    timestamp, is_past = (_where(values, [enough]) for values in (timestamp, is_past))
    interactions = Interactions(users, items, user[enough], item[enough], timestamp, is_past)
    return interactions, Counts(n_ratings, n_superseded, n_rounds)


def _times(columns: dict[str, Pieces], cut: str | float | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The timestamps, or with a cut whether each is before it."""
    if "timestamp" not in columns:
        raise UserError("split.kind is time, but the ratings have no timestamp; set kind to users in params.yaml")
    timestamp = np.concatenate(columns["timestamp"])
    return (timestamp, None) if cut is None else (None, is_before(timestamp, cut))


def _where(values: np.ndarray | None, chosen: Pieces) -> np.ndarray | None:
    return None if values is None else values[np.concatenate(chosen)]


def _nothing_left(
    n_ratings: int, n_counted: int, threshold: float | None, minimums: Minimums, cut: str | float | None
) -> UserError:
    where = "" if cut is None else f" before the cut ({cut})"
    above = "" if threshold is None else f" {n_counted:,} are above the threshold {threshold}{where}, and"
    items = "" if minimums.of_item == 1 else f" with items that have {minimums.of_item}"
    lower = [*(() if threshold is None else ("threshold",)), "min_user_interactions"]
    lower += [] if minimums.of_item == 1 else ["min_item_interactions"]
    return UserError(
        f"nothing is left of {n_ratings:,} ratings:{above} no user has {minimums.of_user} of them{items}"
        f"{where if threshold is None else ''}; lower {' or '.join(lower)} in params.yaml"
    )


def _read_columns(files: list[Path], read: Callable[[Path], Iterator[pa.RecordBatch]]) -> dict[str, Pieces]:
    """The columns of all files; a column of text stays a list of pyarrow.Array."""
    columns: dict[str, Pieces] = {}
    kinds: dict[str, tuple[str, Path]] = {}
    for file in files:
        for batch in filter(len, read(file)):
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                is_date = pa.types.is_timestamp(values.type)
                kind = "dates" if is_date else "text" if pa.types.is_string(values.type) else "numbers"
                first_kind, first_file = kinds.setdefault(name, (kind, file))
                if kind != first_kind:
                    what = "timestamps" if name == "timestamp" else f"{name} ids"
                    raise UserError(f"{what} are {first_kind} in {first_file} but {kind} in {file}; write all alike")
                columns.setdefault(name, []).append(values if kind == "text" else _compact(values))
    if not columns:
        raise UserError(f"there are no ratings in {', '.join(map(str, files[:3]))}; put the whole file there")
    return columns


def _compact(values: pa.Array) -> np.ndarray:
    """The same numbers in 32 bits, if they fit; or dates."""
    if pa.types.is_timestamp(values.type):
        return np.from_dlpack(values.cast(pa.int64())).view("datetime64[ns]")
    wide = np.from_dlpack(values)  # to_numpy would import pandas
    if wide.itemsize == NARROW:
        return wide
    narrow = wide.astype(np.float32 if wide.dtype == np.float64 else np.int32)
    return narrow if (narrow == wide).all() else wide


def _number_words(columns: dict[str, Pieces], name: str) -> np.ndarray:
    """Replace text ids by numbers, in place; return the distinct ids, sorted, which the numbers index."""
    encoded = pa.chunked_array(columns[name], pa.string()).cast(pa.large_string()).combine_chunks().dictionary_encode()
    words, number = _sorted(encoded)
    ends = np.cumsum([len(piece) for piece in columns[name]])
    columns[name] = np.split(number, ends[:-1])
    return words


def _number(ids: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids, sorted, and the position of each row's id among them, int32."""
    full = [piece for piece in ids if len(piece)]
    if not full:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    largest = max(piece.max() for piece in full)
    if largest >= DENSE_IDS or min(piece.min() for piece in full) < 0:
        return _sorted(pa.array(np.concatenate(full, dtype=np.int64)).dictionary_encode())
    is_there = np.zeros(largest + 1, dtype=bool)  # several times faster than hashing
    for piece in full:
        is_there[piece] = True
    numbers = np.cumsum(is_there, dtype=np.int32) - 1
    position = np.empty(sum(map(len, full)), dtype=np.int32)
    start = 0
    for piece in full:
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


def _last_of_each_pair(columns: dict[str, Pieces], is_past: np.ndarray | None) -> tuple[Pieces | None, int]:
    """A mask of the last rating of each pair, None for all, and the number of superseded ratings.

    is_past : whether a rating is before the cut, whose two sides are taken by themselves; or None
    """
    users, items = columns["user"], columns["item"]
    if _in_order(users, items):  # as in MovieLens
        return None, 0
    user, (distinct, item) = _number(users)[1], _number(items)
    pair = user.astype(np.int64) * len(distinct) + item
    if is_past is not None:
        pair = 2 * pair + is_past
    # Stable, so that ties stay in file order.
    order = np.lexsort((np.concatenate(columns["timestamp"]), pair) if "timestamp" in columns else (pair,))
    is_last = np.ones(len(pair), dtype=bool)
    is_last[order[:-1]] = pair[order[1:]] != pair[order[:-1]]
    ends = np.cumsum([len(piece) for piece in users])
    return np.split(is_last, ends[:-1]), int((~is_last).sum())


def _in_order(users: Pieces, items: Pieces) -> bool:
    """Whether rows ascend strictly by user, then item; then no pair occurs twice."""
    for user, item in zip(users, items, strict=True):
        if not ((user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (item[1:] > item[:-1]))).all():
            return False
    edges = (
        (int(user[0]), int(item[0]), int(user[-1]), int(item[-1])) for user, item in zip(users, items, strict=True)
    )
    return all(before[2:] < after[:2] for before, after in pairwise(edges))


def _count(positions: np.ndarray, ids: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Number of occurrences of each chosen id; positions : indices into `ids`, which are sorted."""
    return np.bincount(positions, minlength=len(ids))[np.searchsorted(ids, chosen)]
