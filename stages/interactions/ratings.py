"""Ratings of numbered users and items, and which of them are interactions."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.errors import UserError

NARROW = 4  # bytes
DENSE_IDS = 100_000_000  # integers below it are numbered by a table


@dataclass(frozen=True)
class Ratings:
    """Ratings in the order of their files, no pair of user and item twice.

    Users and items are numbered in the sorted order of their ids, so that what follows depends on no kind of id.
    """

    users: np.ndarray
    """Original ids, int64 or str, sorted; some may have no rating (left)."""
    items: np.ndarray
    """As users."""
    user: np.ndarray
    """int32 (n_ratings,), position in users."""
    item: np.ndarray
    """int32 (n_ratings,), position in items."""
    rating: np.ndarray | None
    """float32 or float64 (n_ratings,); None where the files tell only who took what."""

    def __len__(self) -> int:
        return len(self.user)

    def where(self, chosen: np.ndarray) -> "Ratings":
        """The chosen ratings, in the same order; chosen : bool (n_ratings,)."""
        if chosen.all():
            return self
        rating = None if self.rating is None else self.rating[chosen]
        return replace(self, user=self.user[chosen], item=self.item[chosen], rating=rating)


def read_ratings(files: list[Path], read: Callable[[Path], Iterator[pa.RecordBatch]]) -> tuple[Ratings, int]:
    """Read files of ratings as one, in the order given.

    Where a user rated an item more than once, the last one by timestamp counts, in its place; without timestamps,
    and where they are the same, the last one in the files.

    Parameters
    ----------
    read : gives a file's columns user, item (integers or string, nothing missing), and rating (float64) and timestamp
        (integers) where there are such, some rows at a time

    Returns
    -------
    The ratings, and how many earlier ones of the same user and item were left out

    Raises
    ------
    UserError
        where there is no rating, or ids are integers in one file and text in another.
    """
    columns: dict[str, list[np.ndarray | pa.Array]] = {}
    kinds: dict[str, tuple[str, Path]] = {}
    for file in files:
        for batch in read(file):
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                kind = "text" if pa.types.is_string(values.type) else "numbers"
                first_kind, first_file = kinds.setdefault(name, (kind, file))
                if kind != first_kind:
                    raise UserError(
                        f"{name} ids are {first_kind} in {first_file} but {kind} in {file}; write all alike"
                    )
                columns.setdefault(name, []).append(_compact(values))
    if not columns:
        raise UserError(f"there are no ratings in {', '.join(map(str, files[:3]))}; put the whole file there")
    with ThreadPoolExecutor(2) as pool:
        (users, user), (items, item) = pool.map(_number, (columns.pop("user"), columns.pop("item")))
    rating = np.concatenate(columns.pop("rating")) if "rating" in columns else None
    ratings = Ratings(users, items, user, item, rating)
    superseded = _superseded(user, item, len(items), columns.get("timestamp"))
    if superseded is None:
        return ratings, 0
    return ratings.where(~superseded), int(superseded.sum())


def find_interactions(ratings: Ratings, threshold: float | None, min_user_interactions: int) -> Ratings:
    """Keep the ratings above the threshold, then the users with enough of them (protocol, step 1); order is kept.

    Parameters
    ----------
    threshold : None where there are no ratings, and every row is an interaction

    Raises
    ------
    UserError
        where nothing is left.
    """
    liked = replace(ratings, rating=None)
    if threshold is not None:
        assert ratings.rating is not None
        liked = liked.where(ratings.rating > np.float64(threshold))
    enough = np.bincount(liked.user, minlength=len(ratings.users)) >= min_user_interactions
    interactions = liked.where(enough[liked.user])
    if not len(interactions):
        above = "" if threshold is None else f" {len(liked):,} are above the threshold {threshold}, and"
        raise UserError(
            f"nothing is left of {len(ratings):,} ratings:{above} no user has {min_user_interactions} of them; "
            f"lower {'' if threshold is None else 'threshold or '}min_user_interactions in params.yaml"
        )
    return interactions


def _compact(values: pa.Array) -> np.ndarray | pa.Array:
    """The same numbers in half the bytes, where they fit; text as it is."""
    if pa.types.is_string(values.type):
        return values
    wide = np.from_dlpack(values)  # where to_numpy would import pandas
    if wide.itemsize == NARROW:
        return wide
    narrow = wide.astype(np.float32 if wide.dtype == np.float64 else np.int32)
    return narrow if (narrow == wide).all() else wide


def _number(ids: list[np.ndarray | pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids, sorted, and for each row its id's position among them, int32."""
    if isinstance(ids[0], np.ndarray):
        largest = max(part.max() for part in ids)
        if largest < DENSE_IDS and min(part.min() for part in ids) >= 0:  # several times faster than hashing
            is_there = np.zeros(largest + 1, dtype=bool)
            for part in ids:
                is_there[part] = True
            numbers = np.cumsum(is_there, dtype=np.int32) - 1
            position = np.empty(sum(map(len, ids)), dtype=np.int32)
            start = 0
            for part in ids:
                numbers.take(part, out=position[start : start + len(part)], mode="clip")  # "raise" would copy
                start += len(part)
            return np.flatnonzero(is_there), position
        encoded = pa.array(np.concatenate(ids, dtype=np.int64)).dictionary_encode()
    else:
        encoded = pa.chunked_array(ids, pa.string()).cast(pa.large_string()).combine_chunks().dictionary_encode()
    distinct = encoded.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(distinct, kind="stable")
    position = np.empty(len(order), dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    return distinct[order], position[encoded.indices.to_numpy()]


def _superseded(
    user: np.ndarray, item: np.ndarray, n_items: int, timestamps: list[np.ndarray | pa.Array] | None
) -> np.ndarray | None:
    """Mark the ratings that a later one of the same user and item replaces; None where there are none."""
    if ((user[1:] > user[:-1]) | ((user[1:] == user[:-1]) & (item[1:] > item[:-1]))).all():
        return None  # in order, as MovieLens is
    pair = user.astype(np.int64) * n_items + item
    in_order = np.sort(pair)
    if (in_order[1:] != in_order[:-1]).all():
        return None
    # Stable, so that ties stay in file order.
    order = np.lexsort((pair,) if timestamps is None else (np.concatenate(timestamps), pair))
    is_last = np.append(pair[order][1:] != pair[order][:-1], True)
    superseded = np.ones(len(pair), dtype=bool)
    superseded[order[is_last]] = False
    return superseded
