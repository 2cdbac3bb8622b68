"""Rows of a log, in one part in memory, or in parts on disk, each with all rows of some of the users."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import coo_array, csr_array

from stages.config.params import ScaleSettings
from stages.run.errors import UserError
from stages.scale.engine import LOCAL, Failed, run_parts

Result = TypeVar("Result")


def ignored(result: object) -> None:
    """Do nothing with what comes of a part."""


MOST_INT32 = np.iinfo(np.int32).max
"""Interactions of a matrix whose numbers are int32."""


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
    def map(
        self,
        function: Callable[[Rows], tuple[Rows, Result]],
        gather: Callable[[Result], object] = ignored,
        keep: bool = False,
    ) -> "Parts":
        """Other rows for those of each part; unless they are kept, these parts are gone.

        Parameters
        ----------
        function : gives other rows, and what else comes of them
        gather : gets the latter, part by part, in any order
        """

    @abstractmethod
    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """What comes of each part, in any order."""

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
        gather: Callable[[Result], object] = ignored,
        keep: bool = False,  # noqa: ARG002
    ) -> "InMemory":
        """As in `Parts`."""
        rows, result = function(self.rows)
        gather(result)
        return InMemory(rows)

    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """As in `Parts`."""
        yield function(self.rows)

    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """As in `Parts`."""
        return matrix_of(self.rows.user, self.rows.item, n_users, n_items)


class OnDisk(Parts):
    """Parts in a folder each, a file for a column. One is in memory at a time, or one in each of Ray's workers.

    Parameters
    ----------
    folder : where all folders of parts are
    n_parts : how many there are
    settings : who works on them
    step : how often they were mapped
    """

    def __init__(self, folder: Path, n_parts: int, settings: ScaleSettings = LOCAL, step: int = 0) -> None:
        self.folder = folder.absolute()  # workers have another current folder
        self.n_parts, self.settings, self.step = n_parts, settings, step

    def map(
        self,
        function: Callable[[Rows], tuple[Rows, Result]],
        gather: Callable[[Result], object] = ignored,
        keep: bool = False,
    ) -> "OnDisk":
        """As in `Parts`."""
        mapped = OnDisk(self.folder, self.n_parts, self.settings, self.step + 1)

        def work(part: int) -> tuple[int, Result]:
            rows, result = function(load_rows(self.path(part)))
            save_rows(rows, mapped.path(part))
            return part, result

        for part, result in self._run(work):
            gather(result)
            if not keep:
                rmtree(self.path(part))
        return mapped

    def each(self, function: Callable[[Rows], Result]) -> Iterator[Result]:
        """As in `Parts`."""
        yield from self._run(lambda part: function(load_rows(self.path(part))))

    def matrix(self, n_users: int, n_items: int) -> csr_array:
        """As in `Parts`; its items are a file beside the parts, mapped into memory, and these parts are gone then."""

        def in_order(rows: Rows) -> tuple[Rows, np.ndarray]:
            pairs = np.sort(rows.user.astype(np.int64) * n_items + rows.item)
            user, item = np.divmod(pairs, n_items)
            return Rows(user.astype(np.int32), item.astype(np.int32)), np.bincount(user, minlength=n_users)

        counts = np.zeros(n_users, dtype=np.int64)
        parts = self.map(in_order, lambda of_part: np.add(counts, of_part, out=counts))
        ends = np.concatenate([[0], counts.cumsum()])
        index = np.int32 if ends[-1] <= MOST_INT32 else np.int64  # SciPy takes both arrays of the same
        items = np.lib.format.open_memmap(self.folder / "items.npy", "w+", index, (int(ends[-1]),))
        columns = [load_rows(parts.path(part), mmap=True) for part in range(self.n_parts)]
        borders = np.searchsorted(ends, np.linspace(0, ends[-1], self.n_parts + 1)[1:])
        first_user = 0
        for last_user in borders:  # blocks of users, each with about as many pairs as a part
            block = np.empty(ends[last_user] - ends[first_user], dtype=index)
            for rows in columns:
                first, last = np.searchsorted(rows.user, [first_user, last_user])
                user, item = rows.user[first:last], rows.item[first:last]
                starts = np.flatnonzero(np.diff(user, prepend=-1))  # of each user's pairs
                moved = ends[user[starts]] - ends[first_user] - starts
                block[np.arange(len(user)) + np.repeat(moved, np.diff(np.append(starts, len(user))))] = item
            items[ends[first_user] : ends[last_user]] = block
            first_user = last_user
        ones = np.broadcast_to(np.float32(1), len(items))  # takes no memory
        return csr_array((ones, items, ends.astype(index)), shape=(n_users, n_items))

    def path(self, part: int) -> Path:
        """The folder of a part."""
        return self.folder / f"{self.step}-{part}"

    def _run(self, work: Callable[[int], Result]) -> Iterator[Result]:
        for result in run_parts(self.settings, lambda: work, range(self.n_parts)):
            if isinstance(result, Failed):
                raise UserError(result.said)
            yield result


def save_rows(rows: Rows, folder: Path) -> None:
    """Write a part into a folder, where a worker that was lost may have written some of it."""
    folder.mkdir(exist_ok=True)
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
