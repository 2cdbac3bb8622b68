"""Logs in Apache Parquet: a row for each interaction, or for each user with lists."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.config.dataset import ParquetFormat
from stages.interactions.formats.reading import Reader, as_ids, as_ratings, as_times, position_of
from stages.run.errors import UserError

ROWS_AT_ONCE = 1_000_000


def reader(layout: ParquetFormat) -> Reader:
    """The reader of files of this layout."""
    return ParquetReader(layout.columns.given(), layout.missing, layout.missing_words)


class ParquetReader(Reader):
    """Reads columns of Parquet files, whose types tell what ids and times are.

    Where the column of items holds lists, a row is a user with all items; ratings and timestamps are lists, too.
    """

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """As in `Reader`."""
        names = {name: str(column) for name, column in self.names.items()}
        path.open("rb").close()  # what may not be read is not said to be damaged
        try:
            with pq.ParquetFile(path) as file:
                for column in names.values():
                    position_of(column, file.schema_arrow.names, str(path))
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(names.values())):
                    arrays = {name: batch.column(column) for name, column in names.items()}
                    if _is_list(arrays["item"]):
                        arrays = _one_row_each(arrays, names, path)
                    converted = [self._convert(name, array, path) for name, array in arrays.items()]
                    yield pa.record_batch(converted, names=list(arrays))
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{path} is no whole Parquet file ({reason}); put the whole file there, or correct "
                "format.kind in params.yaml"
            ) from error

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The number of the row, from 1; of lists, the number of the entry."""
        return f"row {row + 1:,}"

    def _convert(self, name: str, array: pa.Array, path: Path) -> pa.Array:
        try:
            if name in ("user", "item"):
                return as_ids(array, self.nothing)
            return as_ratings(array, self.nothing) if name == "rating" else as_times(array, self.nothing)
        except (pa.ArrowException, TypeError) as error:
            what = {"rating": "ratings", "timestamp": "times"}.get(name, "ids")
            reason = " ".join(str(error).split())
            raise UserError(
                f"{path}: column '{self.names[name]}' of {array.type} can't be read as {what}: {reason}"
            ) from error


def _is_list(array: pa.Array) -> bool:
    return pa.types.is_list(array.type) or pa.types.is_large_list(array.type)


def _one_row_each(arrays: dict[str, pa.Array], names: dict[str, str], path: Path) -> dict[str, pa.Array]:
    """A row for each entry of the lists; a user with an empty list has none, and with no list one without an item."""
    lists = {name: array for name, array in arrays.items() if name != "user"}
    lengths = np.maximum(pc.list_value_length(lists["item"]).fill_null(1).to_numpy(zero_copy_only=False), 0)
    flat = {"user": arrays["user"].take(pa.array(np.repeat(np.arange(len(lengths)), lengths)))}
    for name, array in lists.items():
        if not _is_list(array):
            raise UserError(
                f"{path}: column '{names['item']}' holds lists, and '{names[name]}' of {array.type} does not"
            )
        pieces = array.fill_null([None])
        if not np.array_equal(pc.list_value_length(pieces).to_numpy(zero_copy_only=False), lengths):
            raise UserError(f"{path}: lists under '{names['item']}' and '{names[name]}' differ in length in a row")
        flat[name] = pieces.flatten()
    return flat
