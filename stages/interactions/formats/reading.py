"""What a reader of files gives, and the checks of values, which are the same for all formats."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.run.errors import UserError

TEXT = pa.dictionary(pa.int32(), pa.string())
"""Ids of text, each distinct one once per batch."""
INTEGER = r"[ \t]*-?[0-9]+[ \t]*"
NUMBER = r"[ \t]*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)[ \t]*"
"""Numbers in text, as Arrow reads them."""
TIMES = [pa.int64(), pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC")]
"""What times in text may be, in the order in which it is tried."""
LARGEST_EXACT = 2**53  # above it, floats are no longer all integers


class Reader(ABC):
    """Reads files of one format.

    Parameters
    ----------
    names : our name of a column (user, item, and optionally rating and timestamp) → the file's, or its position from 1
    missing : what becomes of a row with nothing in one of these columns, `refuse` or `drop`
    missing_words : words that stand for nothing, beside an empty text
    """

    keeps_order: ClassVar[bool] = True
    """Whether the order of rows in the files means anything; else they count as sorted by user, then item."""

    def __init__(self, names: Mapping[str, str | int], missing: str, missing_words: list[str]) -> None:
        self.names, self.missing = dict(names), missing
        self.nothing = ["", *missing_words]

    @abstractmethod
    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """The columns of a file under our names, null where a value is missing, in batches of rows in file order.

        user and item are integers or `TEXT`, rating is a float, timestamp a number or a timestamp in nanoseconds.

        Raises
        ------
        UserError
            where the file is incomplete, lacks a column, or has a value of another type.
        """

    @abstractmethod
    def place(self, path: Path, row: int) -> str:
        """Where a row of a file is, in words; row : from 0."""

    def read(self, path: Path) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The batches without incomplete rows, each with the number of rows that were dropped from it.

        Raises
        ------
        UserError
            as `batches`, and where a rating or a time is not finite, or a row is incomplete and `missing` is `refuse`.
        """
        rows = incomplete = 0
        first: tuple[int, str | int] | None = None
        for batch in self.batches(path):
            nulls = {name: batch[name].is_null() for name in batch.schema.names if batch[name].null_count}
            whole, kept = batch, None
            if nulls:
                is_incomplete = np.logical_or.reduce([mask.to_numpy(zero_copy_only=False) for mask in nulls.values()])
                kept = np.flatnonzero(~is_incomplete)
                whole = batch.filter(pa.array(~is_incomplete))
                if first is None:
                    row = int(is_incomplete.argmax())
                    first = rows + row, next(self.names[name] for name, mask in nulls.items() if mask[row].as_py())
                incomplete += len(batch) - len(whole)
            for name in ("rating", "timestamp") if len(whole) else ():
                if name not in whole.schema.names or not pa.types.is_floating(whole[name].type):
                    continue
                finite = np.isfinite(np.from_dlpack(whole[name]))
                if not finite.all():
                    row = int(finite.argmin())
                    place = self.place(path, rows + (row if kept is None else int(kept[row])))
                    raise UserError(f"{path}, {place}: the {name} under '{self.names[name]}' is no finite number")
            yield whole, len(batch) - len(whole)
            rows += len(batch)
        if first and self.missing == "refuse":
            row, column = first
            count = "as in one row" if incomplete == 1 else f"the first of {incomplete:,} incomplete rows"
            raise UserError(
                f"{path}, {self.place(path, row)}: nothing under '{column}', {count} here; correct it, or write "
                "missing: drop under format in params.yaml"
            )


def position_of(column: str, there: list[str], where: str) -> int:
    """Position of a column among those of a file, from 0; UserError where it is not there once."""
    if there.count(column) != 1:
        quotes = "; or write quotes: true there" if f'"{column}"' in there else ""
        raise UserError(
            f"{where}: column '{column}' is there {there.count(column)} times, not once; it has "
            f"{', '.join(there)[:200]}: correct format in params.yaml{quotes}"
        )
    return there.index(column)


def as_ids(array: pa.Array, nothing: list[str]) -> pa.Array:
    """Ids as int64 or `TEXT`; text is never made a number.

    Parameters
    ----------
    array : integers, floats that are integers or NaN, text, or bytes that are text in UTF-8
    nothing : texts that stand for a missing id

    Raises
    ------
    pa.ArrowException
        where a value, or the whole type, is none of these.
    """
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if pa.types.is_floating(kind):
        array = _floats(array)
        if (pc.max(pc.abs(array)).as_py() or 0) > LARGEST_EXACT:
            raise pa.ArrowInvalid("floats of this size are not exact, and ids may have been rounded")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array.cast(pa.int64())
    if not _is_text(kind):
        raise pa.ArrowInvalid("ids are integers or text")
    return _text(array, nothing).dictionary_encode()


IS_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def as_ratings(array: pa.Array, nothing: list[str]) -> pa.Array:
    """Ratings as float16 or float32 where they are that, else as float64; parameters and errors as in `as_ids`."""
    if pa.types.is_floating(array.type):
        return array if array.type == pa.float16() else pc.if_else(pc.is_nan(array), None, array)
    return _floats(_text(array, nothing) if _is_text(array.type) else array)


def as_times(array: pa.Array, nothing: list[str]) -> pa.Array:
    """Times as int64, float64 or nanoseconds since 1970, with a time zone where the file has one.

    Parameters
    ----------
    array : numbers, dates, timestamps of any unit, or text: numbers, or ISO 8601
    nothing : texts that stand for a missing time

    Raises
    ------
    pa.ArrowException
        as `as_ids`, and where some are numbers and others dates, or some have a time zone and others have none.
    """
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    if pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        return _floats(array)
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.timestamp("ns", None if array.type.tz is None else "UTC"))
    if pa.types.is_date(array.type):
        return array.cast(pa.timestamp("ns"))
    if not _is_text(array.type):
        raise pa.ArrowInvalid("times are numbers, dates or text")
    text = _text(array, nothing)
    if not pc.any(pc.match_substring(text, "0x", ignore_case=True)).as_py():  # a number, to Arrow
        for kind in TIMES:
            try:
                return text.cast(kind)
            except pa.ArrowInvalid:
                pass
    first = ""
    for word in text.drop_null().to_pylist():
        found = kind_of_time(word)
        first = first or found
        if not found:
            raise pa.ArrowInvalid(f"'{word[:100]}' is {NO_TIME}")
        if found != first:
            raise pa.ArrowInvalid(f"'{word[:100]}' is {found}, and before there is {first}")
    raise pa.ArrowInvalid("times are out of range")


NO_TIME = "neither a number nor a date in ISO 8601 from 1678 to 2261"


def kind_of_time(text: str) -> str:
    """What a time in text is, in words; empty if it is none."""
    if re.fullmatch(NUMBER, text, re.IGNORECASE):
        return "a number"
    for kind, words in ((TIMES[2], "a date without a time zone"), (TIMES[3], "a date with a time zone")):
        try:
            pa.array([text]).cast(kind)
        except pa.ArrowInvalid:
            continue
        return words
    return ""


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in IS_TEXT)


def _text(array: pa.Array, nothing: list[str]) -> pa.Array:
    """Text, null where it stands for nothing."""
    text = array.cast(pa.string())
    return pc.if_else(pc.is_in(text, pa.array(nothing)), pa.scalar(None, pa.string()), text)


def _floats(array: pa.Array) -> pa.Array:
    """The same as float64, null where it is no number."""
    floats = array.cast(pa.float64())
    return pc.if_else(pc.is_nan(floats), None, floats)
