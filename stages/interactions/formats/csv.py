"""Ratings in delimited text files: plain, compressed, or inside a zip archive."""

import csv
import io
import itertools
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv

from stages.config.dataset import CsvFormat
from stages.interactions.formats.values import find_bad_value
from stages.interactions.formats.zip_archive import open_member
from stages.run.errors import UserError

LONGEST_HEADER = 65_536  # bytes
BLOCK = 2**22  # bytes parsed at once
PARSERS = 3  # threads
GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
TYPES = {"rating": pa.float64(), "timestamp": pa.int64()}
WORDS = {pa.int64(): "no integer of 64 bits", pa.float64(): "no number"}


def reader(layout: CsvFormat) -> Callable[[Path], Iterator[pa.RecordBatch]]:
    """The function that reads a file of this layout."""
    return partial(
        read_csv,
        columns=layout.columns.given(),
        separator=layout.separator,
        id_type=pa.int64() if layout.ids == "integer" else pa.string(),
        member=layout.member,
    )


def read_csv(
    path: Path, columns: dict[str, str | int], separator: str, id_type: pa.DataType, member: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Read a file's columns in batches of rows, in file order.

    Parameters
    ----------
    columns : our name (user, item, and optionally rating and timestamp) → the file's name for the column, or its
        position from 1 if the file has no header
    separator : one character, or `::`
    id_type : type of user and item, int64 or string
    member : name of the file inside a zip archive, or None

    Yields
    ------
    The columns under our names: user and item of `id_type`, rating float64, timestamp int64. Where all values of a
    block fit, int32 replaces int64.

    Raises
    ------
    UserError
        where the file is incomplete, lacks a column, or has an invalid value; with its line number.
    """
    where = f"{path}:{member}" if member else str(path)
    with _open(path, member) as stream:
        start = stream.read(LONGEST_HEADER)
    first_line = _first_line(start, where)
    has_header = isinstance(columns["user"], str)
    if has_header and not any(line.strip() for line in start.splitlines()[1:]):
        return
    fields = first_line.split(separator) if len(separator) > 1 else next(csv.reader([first_line], delimiter=separator))
    # Arrow knows separators of one character; `::` is a colon and an empty column between any two.
    step = len(separator)
    names = [str(number) for number in range(step * len(fields) - step + 1)]
    numbers = {name: str(step * _position(column, fields, first_line, where)) for name, column in columns.items()}
    types = {number: TYPES.get(name, id_type) for name, number in numbers.items()}
    types |= {name: pa.null() for name in names if int(name) % step}
    parse = partial(_parse, names=names, separator=separator[0], types=types)
    lines = 0  # lines already read
    try:
        with _open(path, member) as stream:
            for table in _in_order(parse, _blocks(stream), int(has_header)):
                lines += has_header and not lines
                for batch in table.select(list(numbers.values())).rename_columns(list(columns)).to_batches():
                    if bad := find_bad_value(batch, columns):
                        problem, row = bad
                        raise UserError(f"{where}, line {_line(path, member, lines + row)}: {problem}")
                    lines += len(batch)
                    yield batch
    except pa.ArrowInvalid as error:
        named = {number: (str(columns[name]), types[number]) for name, number in numbers.items()}
        problem, row = _explain(str(error), named)
        line = f", line {_line(path, member, lines + row)}" if row else ""
        raise UserError(f"{where}{line}: {problem}") from error


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of the stream that end at the end of a line."""
    rest = [b""]
    while piece := stream.read(BLOCK):
        end = piece.rfind(b"\n") + 1
        if end:
            yield b"".join([*rest, piece[:end]])
            rest = [piece[end:]]
        else:
            rest.append(piece)
    yield b"".join(rest)


def _parse(block: bytes, skip: int, names: list[str], separator: str, types: dict[str, pa.DataType]) -> pa.Table:
    """Parse the columns in `types`; integers have 32 bits if all in the block fit, which halves memory traffic."""
    # No threads within a block: with threads, Arrow's errors lack the row number.
    read = pa.csv.ReadOptions(use_threads=False, column_names=names, skip_rows=skip, block_size=len(block))
    parse = pa.csv.ParseOptions(delimiter=separator)
    narrow = {name: pa.int32() if dtype == pa.int64() else dtype for name, dtype in types.items()}

    def as_types(types: dict[str, pa.DataType]) -> pa.Table:
        convert = pa.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        )
        return pa.csv.read_csv(pa.BufferReader(block), read, parse, convert)

    try:
        return as_types(narrow)
    except pa.ArrowInvalid:
        return as_types(types)


def _in_order(parse: Callable[..., pa.Table], blocks: Iterator[bytes], skip: int) -> Iterator[pa.Table]:
    """Parse several blocks in parallel, and yield them in order; skip : rows to skip in the first block."""
    with ThreadPoolExecutor(PARSERS) as pool:
        ahead: deque[Future[pa.Table]] = deque()
        for block in blocks:
            if not block.strip():
                continue
            ahead.append(pool.submit(parse, block, skip))
            skip = 0
            if len(ahead) > PARSERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is not None:
        with open_member(path, member) as stream:
            yield stream
        return
    if zipfile.is_zipfile(path):
        raise UserError(f"{path} is a zip archive; name the file inside it under format.member in params.yaml")
    with path.open("rb") as file:
        compression = "gzip" if file.read(len(GZIP)) == GZIP else "detect"  # by the file name
    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            yield stream
    except OSError as error:
        raise UserError(f"{path} is cut short or damaged ({error}); put the whole file there") from error


def _first_line(start: bytes, where: str) -> str:
    if start.startswith(UTF_16) or b"\0" in start:
        raise UserError(f"{where} is no text in UTF-8; convert it, for example: iconv -f UTF-16 -t UTF-8")
    lines = start.decode("utf-8-sig", errors="replace").splitlines()
    if not any(lines):
        raise UserError(f"{where} is empty; put the whole file there, or remove it")
    if not lines[0]:
        raise UserError(f"{where} begins with an empty line; remove it")
    return lines[0]


def _position(column: str | int, fields: list[str], first_line: str, where: str) -> int:
    """Position of a column in the file, from 0."""
    if isinstance(column, int):
        if column > len(fields):
            raise UserError(
                f"{where} has {len(fields)} columns and so no column {column} ({first_line[:200]}); correct "
                "format.columns or format.separator in params.yaml"
            )
        return column - 1
    if fields.count(column) != 1:
        raise UserError(
            f"{where}: column '{column}' is there {fields.count(column)} times, not once ({first_line[:200]}); correct "
            "format.columns or format.separator in params.yaml"
        )
    return fields.index(column)


def _explain(error: str, named: dict[str, tuple[str, pa.DataType]]) -> tuple[str, int]:
    """Arrow's error in terms of the file, and its row (from 1, empty lines not counted; 0 if unknown)."""
    if match := re.search(r"column #(\d+): Row #(\d+): .*invalid value '(.*)'", error, re.DOTALL):
        row, value = int(match[2]), match[3][:100]
        if match[1] not in named:
            return f"'{value}' between two colons, which separate columns only as '::'", row
        column, dtype = named[match[1]]
        hint = "; is this a second header?" if value == column else ""
        return f"'{value}' under '{column}' is {WORDS[dtype]}{hint}", row
    if match := re.search(r"column #(\d+): Row #(\d+): .*invalid UTF8", error):
        column, _ = named[match[1]]
        return f"what is under '{column}' is not UTF-8; convert the file, for example with iconv", int(match[2])
    if match := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", error):
        return f"{match[3]} columns instead of {match[2]}", int(match[1])
    return " ".join(error.split()), 0


def _line(path: Path, member: str | None, row: int) -> int:
    """Line number of a row; both count from 1, but empty lines are not rows."""
    with _open(path, member) as stream, io.TextIOWrapper(stream, "utf-8", errors="replace") as lines:
        full = (number for number, line in enumerate(lines, 1) if line.strip("\r\n"))
        return next(itertools.islice(full, row - 1, None), row)
