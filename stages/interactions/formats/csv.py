"""Logs in delimited text."""

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from stages.config.dataset import CsvFormat
from stages.interactions.formats.blocks import QUOTE, blocks_of, in_order, misplaced_quote
from stages.interactions.formats.packed import pieces_of
from stages.interactions.formats.reading import (
    INTEGER,
    NO_TIME,
    NUMBER,
    TEXT,
    TIMES,
    Reader,
    kind_of_time,
    position_of,
)
from stages.run.errors import UserError

LINE_ENDS = b"\r\n"
HEXADECIMAL = r"[ \t]*[+-]?0x"
TWO_COLONS, ONE_BYTE = b"::", b"\x1f"  # Arrow knows separators of one byte
TYPES = [(pa.int32(), pa.int32()), *((pa.int64(), time) for time in TIMES)]
"""Of integer ids and of times, in the order in which they are tried: 32 bits as long as all fit."""


@dataclass
class Header:
    """What the first record of a file tells, and the blocks so far."""

    fields: list[str]
    numbers: dict[str, int]
    """Our name of a column → its position, from 0."""
    line: bytes
    """The record as it is in the file; empty if it is a row."""
    tried: int = 0
    """How many of `TYPES` are too narrow for some block; later blocks begin with the next one."""


def reader(layout: CsvFormat) -> Reader:
    """The reader of files of this layout."""
    return CsvReader(
        layout.columns.given(),
        layout.missing,
        layout.missing_words,
        separator=layout.separator,
        quoted=layout.quoted,
        text_ids=layout.ids == "string",
        member=layout.member,
    )


class CsvReader(Reader):
    """Reads columns of delimited text; the first record is a header if they have names.

    Parameters
    ----------
    separator : one character, or `::`
    quoted : whether a text may be in quotes, as in RFC 4180; if not, a quote is a character like any other
    text_ids : whether ids are text; else they are integers of 64 bits
    member : name of the file inside a zip archive, or None
    """

    def __init__(
        self,
        names: Mapping[str, str | int],
        missing: str,
        missing_words: list[str],
        *,
        separator: str,
        quoted: bool,
        text_ids: bool,
        member: str | None,
    ) -> None:
        super().__init__(names, missing, missing_words)
        self.two_colons = separator.encode() == TWO_COLONS
        self.separator = ONE_BYTE if self.two_colons else separator.encode()
        self.quoted, self.text_ids, self.member = quoted, text_ids, member

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """As in `Reader`; integers have 32 bits in the blocks before the first one where they don't fit."""
        blocks = self._blocks(path)
        first = next(blocks, b"")
        header = self._header(path, first)
        blocks = (block for block in chain([first[len(header.line) :]], blocks) if block.strip(LINE_ENDS))
        try:
            yield from in_order(partial(self._parse, header), blocks)
        except (pa.ArrowInvalid, ValueError) as error:
            self._explain(path, header)
            raise UserError(f"{self._where(path)}: {' '.join(str(error).split())}") from error

    def place(self, path: Path, row: int) -> str:
        """The line where a row begins."""
        is_header = isinstance(self.names["user"], str)
        return f"line {next(islice(self._records(path), row + is_header, None))[0]:,}"

    def titles(self, fields: list[str]) -> list[str]:
        """Names of the columns, from the fields of the first record."""
        return fields

    def _where(self, path: Path) -> str:
        return f"{path}:{self.member}" if self.member else str(path)

    def _blocks(self, path: Path) -> Iterator[bytes]:
        for block in blocks_of(pieces_of(path, self.member), self._where(path), self.quoted):
            if self.two_colons and ONE_BYTE in block:
                raise UserError(
                    f"{self._where(path)} has a byte 0x1F, which can't be read where :: separates; remove it"
                )
            yield block.replace(TWO_COLONS, ONE_BYTE) if self.two_colons else block

    def _header(self, path: Path, block: bytes) -> Header:
        if not block.strip(LINE_ENDS):
            raise UserError(f"{self._where(path)} is empty; put the whole file there, or remove it")
        if block.lstrip().startswith(b'{"'):
            raise UserError(f"{self._where(path)} looks like JSON lines; write kind: jsonl under format in params.yaml")
        records = self._records(path)
        _, fields = next(records)
        line = b""
        if isinstance(self.names["user"], str):
            lines = block.splitlines(keepends=True)
            end = next((number - 1 for number, _ in records), len(lines))
            line = b"".join(lines[:end])
        return Header(fields, self._numbers(path, fields), line)

    def _numbers(self, path: Path, fields: list[str]) -> dict[str, int]:
        numbers, shown = {}, ", ".join(fields)[:200]
        for name, column in self.names.items():
            if isinstance(column, str):
                numbers[name] = position_of(column, self.titles(fields), self._where(path))
            elif column > len(fields):
                raise UserError(
                    f"{self._where(path)} has {len(fields)} columns and so no column {column} ({shown}); correct "
                    "format.columns or format.separator in params.yaml"
                )
            else:
                numbers[name] = column - 1
        return numbers

    def _parse(self, header: Header, block: bytes) -> pa.RecordBatch:
        """The columns of a block; raises pa.ArrowInvalid or ValueError where Arrow would fail, or read what is not."""
        if self.quoted and misplaced_quote(block, self.separator):
            raise ValueError("a quote is misplaced")
        if any(letter in block and b"0" + letter in block for letter in (b"x", b"X")):
            numbers = [number for name, number in header.numbers.items() if name == "timestamp" or not self.text_ids]
            if any(re.match(HEXADECIMAL, row[n], re.I) for _, row in self._csv(block) for n in numbers if n < len(row)):
                raise ValueError("a hexadecimal number, which Arrow would read")
        names = {name: str(number) for name, number in header.numbers.items()}
        # No threads within a block, as blocks are parsed side by side.
        columns = [str(number) for number in range(len(header.fields))]
        read = pa.csv.ReadOptions(use_threads=False, column_names=columns, block_size=len(block))
        parse = pa.csv.ParseOptions(
            delimiter=self.separator.decode(),
            quote_char=QUOTE.decode() if self.quoted else False,
            newlines_in_values=self.quoted,
        )
        for number in range(header.tried, len(TYPES)):
            integer, time = TYPES[number]
            of_id = TEXT if self.text_ids else integer
            types = {"user": of_id, "item": of_id, "rating": pa.float64(), "timestamp": time}
            convert = pa.csv.ConvertOptions(
                column_types={column: types[name] for name, column in names.items()},
                include_columns=list(names.values()),
                null_values=self.nothing,
                strings_can_be_null=True,
            )
            try:
                table = pa.csv.read_csv(pa.BufferReader(block), read, parse, convert)
            except pa.ArrowInvalid as error:
                problem = error
            else:
                header.tried = max(header.tried, number)
                batch = table.rename_columns(list(names)).combine_chunks().to_batches()[0]
                may_repeat = header.line and self.text_ids and self._may_have_header(batch)
                if may_repeat and header.fields in (row for _, row in self._csv(block)):
                    raise ValueError("a second header")
                return batch
        raise problem

    def _may_have_header(self, batch: pa.RecordBatch) -> bool:
        """Whether a user and an item are named as the columns are."""
        return all(pc.index(batch[name].dictionary, self.names[name]).as_py() >= 0 for name in ("user", "item"))

    def _csv(self, block: bytes) -> Iterator[tuple[int, list[str]]]:
        """The records of a block by Python's reader: the line where each begins, from 0, and its fields."""
        csv.field_size_limit(sys.maxsize)
        lines = io.StringIO(block.decode(errors="surrogateescape"), newline="")
        delimiter, start = self.separator.decode(), 0
        records = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE)
        for fields in records:
            if fields:
                yield start, fields
            start = records.line_num

    def _records(self, path: Path) -> Iterator[tuple[int, list[str]]]:
        """All records, slowly: the line where each begins, from 1, and its fields; UserError at a misplaced quote."""
        lines = 0
        for block in self._blocks(path):
            if self.quoted and (fault := misplaced_quote(block, self.separator)):
                position, problem = fault
                line = lines + len((block[:position] + b".").splitlines())
                raise UserError(
                    f"{self._where(path)}, line {line:,}: {problem}; correct it, or write quotes: false under format "
                    "in params.yaml if quotes mean nothing in this file"
                )
            for start, fields in self._csv(block):
                yield lines + start + 1, fields
            lines += len(block.splitlines())

    def _explain(self, path: Path, header: Header) -> None:
        """Raise a UserError for the first record that can't be read, with its line."""
        first_time = ""
        for line, fields in islice(self._records(path), int(bool(header.line)), None):
            problem = self._problem(header, fields)
            if not problem and "timestamp" in header.numbers:
                text = fields[header.numbers["timestamp"]]
                kind = first_time if text in self.nothing else kind_of_time(text)
                first_time = first_time or kind
                if kind != first_time:
                    problem = f"'{text}' under '{self.names['timestamp']}' is {kind}, and before there is {first_time}"
            if problem:
                raise UserError(f"{self._where(path)}, line {line:,}: {problem}")

    def _problem(self, header: Header, fields: list[str]) -> str:
        """What is wrong with a record; empty if nothing is."""
        if header.line and fields == header.fields:
            return "a second header; remove it"
        if len(fields) != len(header.fields):
            return f"{len(fields)} columns instead of {len(header.fields)}"
        for name, number in header.numbers.items():
            text, problem = fields[number], ""
            if text in self.nothing:
                continue
            if name == "timestamp":
                problem = "" if kind_of_time(text) else NO_TIME
            elif name == "rating":
                problem = "" if re.fullmatch(NUMBER, text, re.IGNORECASE) else "no number"
            elif not self.text_ids:
                fits = re.fullmatch(INTEGER, text) and -(2**63) <= int(text) < 2**63
                problem = "" if fits else "no integer of 64 bits"
            elif text != text.encode(errors="surrogateescape").decode(errors="replace"):
                problem = "not UTF-8; convert the file, for example with iconv"
            if problem:
                shown = text[:100].encode(errors="replace").decode()
                return f"'{shown}' under '{self.names[name]}' is {problem}"
        return ""
