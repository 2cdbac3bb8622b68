"""Ratings in Parquet files."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.dataset import ParquetFormat
from stages.interactions.formats.values import find_bad_value
from stages.run.errors import UserError

ROWS_AT_ONCE = 1_000_000


def reader(layout: ParquetFormat) -> Callable[[Path], Iterator[pa.RecordBatch]]:
    """The function that reads a file of this layout."""
    return partial(read_parquet, columns={name: str(column) for name, column in layout.columns.given().items()})


def read_parquet(path: Path, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """Read a file's columns in batches of rows, in file order.

    Parameters
    ----------
    columns : our name (user, item, and optionally rating and timestamp) → the file's name for the column

    Yields
    ------
    The columns under our names: user and item int64 or string, rating float64, timestamp int64

    Raises
    ------
    UserError
        where the file is incomplete, lacks a column, or has an invalid value; with its row number.
    """
    rows = 0  # rows already read
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for column in columns.values():
                if names.count(column) != 1:
                    raise UserError(
                        f"{path}: column '{column}' is there {names.count(column)} times, not once "
                        f"({', '.join(names)}); correct format.columns in params.yaml"
                    )
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns.values())):
                arrays = [_cast(batch.column(column), name, column, path) for name, column in columns.items()]
                named = pa.record_batch(arrays, names=list(columns))
                if bad := find_bad_value(named, columns):
                    problem, row = bad
                    raise UserError(f"{path}, row {rows + row}: {problem}")
                rows += len(named)
                yield named
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path} is no whole Parquet file ({' '.join(str(error).split())}); put the whole file there"
        ) from error


def _cast(array: pa.Array, name: str, column: str, path: Path) -> pa.Array:
    type_ = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    is_text = any(is_kind(type_) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
    target = pa.float64() if name == "rating" else pa.string() if name != "timestamp" and is_text else pa.int64()
    try:
        return array.cast(target)
    except (pa.ArrowException, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: column '{column}' of {type_} can't be read as {target}: {reason}") from error
