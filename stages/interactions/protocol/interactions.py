"""From files of ratings to interactions: the last rating of each pair, if it is good, of users who have enough."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.run.errors import UserError

NARROW = 4  # bytes of a number, where it fits
DENSE_IDS = 100_000_000  # integers below it are numbered by a table

Parts = list[np.ndarray]
"""A column in pieces that stay in the processor's cache, as the files were read."""


@dataclass(frozen=True)
class Interactions:
    """Who took what, in the order of the files, no pair twice.

    Users and items are numbered in the sorted order of their ids, so that what follows depends on no kind of id.
    """

    users: np.ndarray
    """Original ids, int64 or str, sorted; some may have no interaction."""
    items: np.ndarray
    """As users."""
    user: np.ndarray
    """int32 (n_interactions,), position in users."""
    item: np.ndarray
    """int32 (n_interactions,), position in items."""

    def __len__(self) -> int:
        return len(self.user)


def read_interactions(
    files: list[Path],
    read: Callable[[Path], Iterator[pa.RecordBatch]],
    threshold: float | None,
    min_user_interactions: int,
) -> tuple[Interactions, int, int]:
    """Read files of ratings as one, and keep what is an interaction (protocol, step 1), in the order of the files.

    Where a user rated an item more than once, only the last rating by timestamp is looked at; without timestamps, and
    where they are the same, the last one in the files.

    Parameters
    ----------
    read : gives a file's columns user, item (integers or string, nothing missing), and rating (float64) and timestamp
        (integers) where there are such, some rows at a time
    threshold : a rating above it is an interaction; None where there are no ratings, and every row is one
    min_user_interactions : users with fewer are dropped

    Returns
    -------
    The interactions, how many ratings were read, and how many of them a later one of the same pair superseded

    Raises
    ------
    UserError
        where there is no rating, nothing is left, or ids are numbers in one file and text in another.
    """
    columns = _read_columns(files, read)
    words = {name: _number_words(columns, name) for name in ("user", "item") if isinstance(columns[name][0], pa.Array)}
    n_ratings = sum(map(len, columns["user"]))
    chosen, n_superseded = _last_of_each_pair(columns)
    if threshold is not None:
        good = [part > np.float64(threshold) for part in columns["rating"]]
        chosen = good if chosen is None else [last & part for last, part in zip(chosen, good, strict=True)]
    if chosen is not None:
        for name in ("user", "item"):
            columns[name] = [part[here] for part, here in zip(columns[name], chosen, strict=True)]
    n_chosen = sum(map(len, columns["user"]))
    with ThreadPoolExecutor(2) as pool:
        (users, user), (items, item) = pool.map(_number, (columns["user"], columns["item"]))
    enough = (np.bincount(user, minlength=1) >= min_user_interactions)[user]
    if not enough.any():
        above = "" if threshold is None else f" {n_chosen:,} are above the threshold {threshold}, and"
        raise UserError(
            f"nothing is left of {n_ratings:,} ratings:{above} no user has {min_user_interactions} of them; "
            f"lower {'' if threshold is None else 'threshold or '}min_user_interactions in params.yaml"
        )
    users, items = (words[name][ids] if name in words else ids for name, ids in (("user", users), ("item", items)))
    return Interactions(users, items, user[enough], item[enough]), n_ratings, n_superseded


def _read_columns(files: list[Path], read: Callable[[Path], Iterator[pa.RecordBatch]]) -> dict[str, Parts]:
    """Text stays pyarrow.Array."""
    columns: dict[str, Parts] = {}
    kinds: dict[str, tuple[str, Path]] = {}
    for file in files:
        for batch in filter(len, read(file)):
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                kind = "text" if pa.types.is_string(values.type) else "numbers"
                first_kind, first_file = kinds.setdefault(name, (kind, file))
                if kind != first_kind:
                    raise UserError(
                        f"{name} ids are {first_kind} in {first_file} but {kind} in {file}; write all alike"
                    )
                columns.setdefault(name, []).append(values if kind == "text" else _compact(values))
    if not columns:
        raise UserError(f"there are no ratings in {', '.join(map(str, files[:3]))}; put the whole file there")
    return columns


def _compact(values: pa.Array) -> np.ndarray:
    """The same numbers in half the bytes, where they fit."""
    wide = np.from_dlpack(values)  # where to_numpy would import pandas
    if wide.itemsize == NARROW:
        return wide
    narrow = wide.astype(np.float32 if wide.dtype == np.float64 else np.int32)
    return narrow if (narrow == wide).all() else wide


def _number_words(columns: dict[str, Parts], name: str) -> np.ndarray:
    """Put numbers in the place of text; return the distinct words in their order, which the numbers point at."""
    encoded = pa.chunked_array(columns[name], pa.string()).cast(pa.large_string()).combine_chunks().dictionary_encode()
    words, number = _sorted(encoded)
    ends = np.cumsum([len(part) for part in columns[name]])
    columns[name] = np.split(number, ends[:-1])
    return words


def _number(ids: Parts) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids, sorted, and for each row its id's position among them, int32."""
    full = [part for part in ids if len(part)]
    if not full:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    largest = max(part.max() for part in full)
    if largest >= DENSE_IDS or min(part.min() for part in full) < 0:
        return _sorted(pa.array(np.concatenate(full, dtype=np.int64)).dictionary_encode())
    is_there = np.zeros(largest + 1, dtype=bool)  # several times faster than hashing
    for part in full:
        is_there[part] = True
    numbers = np.cumsum(is_there, dtype=np.int32) - 1
    position = np.empty(sum(map(len, full)), dtype=np.int32)
    start = 0
    for part in full:
        numbers.take(part, out=position[start : start + len(part)], mode="clip")  # "raise" would copy
        start += len(part)
    return np.flatnonzero(is_there), position


def _sorted(encoded: pa.DictionaryArray) -> tuple[np.ndarray, np.ndarray]:
    """The dictionary in order, and for each row its position there, int32."""
    distinct = encoded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(distinct, kind="stable")
    position = np.empty(len(order), dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    return distinct[order], position[encoded.indices.to_numpy()]


def _last_of_each_pair(columns: dict[str, Parts]) -> tuple[Parts | None, int]:
    """Which ratings count, bool, None for all; and how many do not."""
    users, items = columns["user"], columns["item"]
    if _in_order(users, items):  # as MovieLens is
        return None, 0
    user, (distinct, item) = _number(users)[1], _number(items)
    pair = user.astype(np.int64) * len(distinct) + item
    # Stable, so that ties stay in file order.
    order = np.lexsort((np.concatenate(columns["timestamp"]), pair) if "timestamp" in columns else (pair,))
    is_last = np.ones(len(pair), dtype=bool)
    is_last[order[:-1]] = pair[order[1:]] != pair[order[:-1]]
    ends = np.cumsum([len(part) for part in users])
    return np.split(is_last, ends[:-1]), int((~is_last).sum())


def _in_order(users: Parts, items: Parts) -> bool:
    """Whether each row comes after the one before, by user and then item; so no pair can be there twice."""
    for user, item in zip(users, items, strict=True):
        if not ((user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (item[1:] > item[:-1]))).all():
            return False
    edges = (
        (int(user[0]), int(item[0]), int(user[-1]), int(item[-1])) for user, item in zip(users, items, strict=True)
    )
    return all(before[2:] < after[:2] for before, after in pairwise(edges))
