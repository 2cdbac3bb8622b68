"""Rows of a log, in one part in memory, or in parts on disk, each with all rows of some of the users."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import coo_array, csr_array

from stages.run.errors import UserError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Rows:
    """Rows of some users, in the order of the log; a user's are all here."""

    user: np.ndarray
    """int32 (n,), position among the sorted ids of all users of the log."""
    item: np.ndarray
    """int32 (n,), position among the sorted ids of all its items."""
    row: np.ndarray | None = None
    """int64 (n,), ascending: where each row is among those of all parts; None where there is one part."""
    is_above: np.ndarray | None = None
    """bool (n,), whether the rating is above the threshold; None where all are, or there are no ratings."""
    timestamp: np.ndarray | None = None
    """datetime64[ns] (n,), int64 or float64; None without timestamps, or where nothing goes by them."""
    is_past: np.ndarray | None = None
    """bool (n,), before the cut; None without a cut."""

    def __len__(self) -> int:
        return len(self.user)

    def columns(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: column for name, column in values.items() if column is not None}

    def where(self, chosen: np.ndarray) -> "Rows":
        """The rows of a mask, or at these positions."""
        return replace(self, **{name: column[chosen] for name, column in self.columns().items()})

    def without(self, *names: str) -> "Rows":
        """The same without some columns."""
        return Rows(**{name: column for name, column in self.columns().items() if name not in names})


class Parts(ABC):
    """Rows of a log in parts. What is done with a part needs no other."""

    @abstractmethod
    def map(self, function: Callable[[Rows], tuple[Rows, Result]], keep: bool = False) -> tuple["Parts", list[Result]]:
        """Other rows for those of each part, and what else comes of it; unless they are kept, these parts are gone."""

    @abstractmethod
    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """What comes of each part, one after the other."""

    @abstractmethod
    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """Float32 0/1 (n_users, n_items) of all pairs of user and item, none of which occurs twice."""


class InMemory(Parts):
    """All rows in one part."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def map(
        self,
        function: Callable[[Rows], tuple[Rows, Result]],
        keep: bool = False,  # noqa: ARG002
    ) -> tuple["Parts", list[Result]]:
        """As in `Parts`."""
        rows, result = function(self.rows)
        return InMemory(rows), [result]

    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """As in `Parts`."""
        yield function(self.rows)

    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """As in `Parts`."""
        return matrix_of(self.rows.user, self.rows.item, n_users, n_items)


class OnDisk(Parts):
    """Parts in a folder each, a file for a column. One is in memory at a time.

    Parameters
    ----------
    folder : where all folders of parts are
    n_parts : how many there are
    step : how often they were mapped
    """

    def __init__(self, folder: Path, n_parts: int, step: int = 0) -> None:
        self.folder, self.n_parts, self.step = folder, n_parts, step

    def map(self, function: Callable[[Rows], tuple[Rows, Result]], keep: bool = False) -> tuple["OnDisk", list[Result]]:
        """As in `Parts`."""
        mapped, results = OnDisk(self.folder, self.n_parts, self.step + 1), []
        for old, new in zip(self.paths(), mapped.paths(), strict=True):
            rows, result = function(load_rows(old))
            save_rows(rows, new)
            results.append(result)
            if not keep:
                rmtree(old)
        return mapped, results

    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """As in `Parts`."""
        for path in self.paths():
            yield function(load_rows(path))

    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """As in `Parts`; its items are a file beside the parts, mapped into memory, and these parts are gone then.

        Raises
        ------
        UserError
            where there are 2³¹ pairs or more: SciPy would need twice the memory.
        """

        def in_order(rows: Rows) -> tuple[Rows, None]:
            pairs = np.sort(rows.user.astype(np.int64) * n_items + rows.item)
            user, item = np.divmod(pairs, n_items)
            np.add(counts, np.bincount(user, minlength=n_users), out=counts)
            return Rows(user.astype(np.int32), item.astype(np.int32)), None

        counts = np.zeros(n_users, dtype=np.int64)
        parts, _ = self.map(in_order)
        ends = np.concatenate([[0], counts.cumsum()])
        if ends[-1] >= 2**31:
            raise UserError(
                f"{ends[-1]:,} interactions of train users, and there can be {2**31 - 1:,}; raise "
                "min_user_interactions, or split.threshold, in params.yaml"
            )
        items = np.lib.format.open_memmap(self.folder / "items.npy", "w+", np.int32, (int(ends[-1]),))
        columns = [load_rows(path, mmap=True) for path in parts.paths()]
        borders = np.searchsorted(ends, np.linspace(0, ends[-1], self.n_parts + 1)[1:])
        first_user = 0
        for last_user in borders:  # blocks of users, each with about as many pairs as a part
            block = np.empty(ends[last_user] - ends[first_user], dtype=np.int32)
            for rows in columns:
                first, last = np.searchsorted(rows.user, [first_user, last_user])
                user, item = rows.user[first:last], rows.item[first:last]
                starts = np.flatnonzero(np.diff(user, prepend=-1))  # of each user's pairs
                moved = ends[user[starts]] - ends[first_user] - starts
                block[np.arange(len(user)) + np.repeat(moved, np.diff(np.append(starts, len(user))))] = item
            items[ends[first_user] : ends[last_user]] = block
            first_user = last_user
        ones = np.broadcast_to(np.float32(1), len(items))  # takes no memory
        return csr_array((ones, items, ends.astype(np.int32)), shape=(n_users, n_items))

    def paths(self) -> list[Path]:
        """The folders of the parts."""
        return [self.folder / f"{self.step}-{part}" for part in range(self.n_parts)]


def save_rows(rows: Rows, folder: Path) -> None:
    """Write a part into a new folder."""
    folder.mkdir()
    for name, column in rows.columns().items():
        np.save(folder / f"{name}.npy", column)


def load_rows(folder: Path, mmap: bool = False) -> Rows:
    """Read a part; mmap : leave the columns on disk until they are looked at."""
    columns: dict[str, Any] = {
        file.stem: np.load(file, mmap_mode="r" if mmap else None) for file in folder.glob("*.npy")
    }
    return Rows(**columns)


def joined(parts: Iterable[Rows]) -> Rows:
    """Rows of several parts as one, in the order of the log."""
    columns = [rows.columns() for rows in parts]
    if len(columns) == 1:
        return Rows(**columns[0])
    one = Rows(**{name: np.concatenate([column[name] for column in columns]) for name in columns[0]})
    assert one.row is not None, "rows of several parts know their places"
    return one.where(np.argsort(one.row))


def matrix_of(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> csr_array:
    """Float32 0/1 of pairs, none of which occurs twice."""
    pairs = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n_rows, n_columns))
    pairs.has_canonical_format = True
    return pairs.tocsc().tocsr().astype(np.float32)  # sorts columns within rows, faster than sort_indices
