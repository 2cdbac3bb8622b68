"""Rows of a log, in one part in memory, or in parts on disk, each with all rows of some of the users."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import numpy as np

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
        return replace(self, **dict.fromkeys(names))


class Parts(ABC):
    """Rows of a log in parts. What is done with a part needs no other."""

    @abstractmethod
    def map(
        self, function: Callable[[Rows], tuple[Rows, Result]], keep: bool = False
    ) -> tuple["Parts", list[Result]]:
        """Other rows for those of each part, and what else comes of it; unless they are kept, these parts are gone."""

    @abstractmethod
    def each(self, function: Callable[[Rows], Result]) -> list[Result]:
        """What comes of each part."""


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

    def each(self, function: Callable[[Rows], Result]) -> list[Result]:
        """As in `Parts`."""
        return [function(self.rows)]


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

    def map(
        self, function: Callable[[Rows], tuple[Rows, Result]], keep: bool = False
    ) -> tuple["Parts", list[Result]]:
        """As in `Parts`."""
        mapped, results = OnDisk(self.folder, self.n_parts, self.step + 1), []
        for old, new in zip(self.paths(), mapped.paths(), strict=True):
            rows, result = function(load_rows(old))
            save_rows(rows, new)
            results.append(result)
            if not keep:
                rmtree(old)
        return mapped, results

    def each(self, function: Callable[[Rows], Result]) -> list[Result]:
        """As in `Parts`."""
        return [function(load_rows(path)) for path in self.paths()]

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


def joined(parts: list[Rows]) -> Rows:
    """Rows of several parts as one, in the order of the log."""
    if len(parts) == 1:
        return parts[0]
    columns = [rows.columns() for rows in parts]
    one = Rows(**{name: np.concatenate([column[name] for column in columns]) for name in columns[0]})
    return one.where(np.argsort(one.row))
