"""Logs in JSON lines: an object per line, as Yelp, Amazon and Goodreads publish them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from stages.config.dataset import JsonLinesFormat
from stages.interactions.formats.blocks import blocks_of, in_order
from stages.interactions.formats.packed import pieces_of
from stages.interactions.formats.reading import NO_TIME, Reader, as_ids, as_ratings, as_times, kind_of_time
from stages.run.errors import UserError

LINES_WITH_ALL_KEYS = 1000
TIMES = (pa.int64(), pa.float64(), pa.string())  # in JSON


def reader(layout: JsonLinesFormat) -> Reader:
    """The reader of files of this layout."""
    return JsonLinesReader(layout)


class JsonLinesReader(Reader):
    """Reads named fields of the objects; nested ones can't be named."""

    def __init__(self, layout: JsonLinesFormat) -> None:
        super().__init__(layout.columns.given(), layout.missing, layout.missing_words)
        self.member = layout.member
        self.ids = pa.int64() if layout.ids == "integer" else pa.string()

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """As in `Reader`."""
        blocks = (block for block in self._blocks(path) if block.strip())
        first = next(blocks, b"")
        if not first:
            raise UserError(f"{path} is empty; put the whole file there, or remove it")
        self._check_keys(path, first)
        try:
            yield from in_order(self._parse, chain([first], blocks))
        except (pa.ArrowInvalid, ValueError, RecursionError) as error:
            for line, text in self._lines(path):
                if problem := self._problem(text):
                    raise UserError(f"{path}, line {line:,}: {problem}") from error
            raise UserError(f"{path}: {' '.join(str(error).split())}") from error

    def place(self, path: Path, row: int) -> str:
        """The line of a row."""
        return f"line {next(islice(self._lines(path), row, None))[0]:,}"

    def _blocks(self, path: Path) -> Iterator[bytes]:
        return blocks_of(pieces_of(path, self.member), str(path))

    def _check_keys(self, path: Path, block: bytes) -> None:
        """UserError where none of the first lines has a key for users or items."""
        there: dict[str, None] = {}
        for line in islice((line for line in block.splitlines() if line.strip()), LINES_WITH_ALL_KEYS):
            with suppress(ValueError, RecursionError):
                there |= dict.fromkeys(json.loads(line)) if line.lstrip().startswith(b"{") else {}
        for column in (str(self.names[name]) for name in ("user", "item")):
            if there and column not in there:
                raise UserError(
                    f"{path}: no object has the key '{column}'; they have {', '.join(there)[:200]}: correct "
                    "format.columns in params.yaml"
                )

    def _parse(self, block: bytes) -> pa.RecordBatch:
        """The fields of a block; raises pa.ArrowInvalid or ValueError."""
        block.decode()  # Arrow does not check it
        table = self._by_arrow(block)
        arrays = self._by_python(block) if table is None else {n: table[str(c)] for n, c in self.names.items()}
        convert = {"user": as_ids, "item": as_ids, "rating": as_ratings, "timestamp": as_times}
        return pa.record_batch([convert[n](a, self.nothing) for n, a in arrays.items()], names=list(arrays))

    def _by_arrow(self, block: bytes) -> pa.RecordBatch | None:
        """The columns under the file's names; None where they are not of one type each, or lines are not objects."""
        read = pa.json.ReadOptions(use_threads=False, block_size=len(block))
        for time in TIMES:
            types = {"user": self.ids, "item": self.ids, "rating": pa.float64(), "timestamp": time}
            schema = pa.schema([(str(column), types[name]) for name, column in self.names.items()])
            parse = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
            try:
                table = pa.json.read_json(pa.BufferReader(block), read, parse)
            except pa.ArrowInvalid:
                continue
            is_row_per_line = len(table) == sum(1 for line in block.split(b"\n") if line.strip())
            return table.combine_chunks().to_batches()[0] if is_row_per_line else None
        return None

    def _by_python(self, block: bytes) -> dict[str, pa.Array]:
        """The same, slowly, where a text stands for nothing among numbers; ValueError where a line is wrong."""
        lines = [line for line in block.splitlines() if line.strip()]
        if problem := next(filter(None, map(self._problem, lines)), None):
            raise ValueError(problem)
        rows = [json.loads(line) for line in lines]
        columns: dict[str, list[Any]] = {
            name: [None if row.get(column) in self.nothing else row.get(column) for row in rows]
            for name, column in ((name, str(column)) for name, column in self.names.items())
        }
        times = columns.get("timestamp", [])
        if any(isinstance(time, str) for time in times):
            columns["timestamp"] = [time if time is None else str(time) for time in times]
        types = {"user": self.ids, "item": self.ids, "rating": pa.float64()}
        return {name: pa.array(values, types.get(name)) for name, values in columns.items()}

    def _lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, and their numbers from 1."""
        lines = (line for block in self._blocks(path) for line in block.splitlines())
        return ((number, line) for number, line in enumerate(lines, 1) if line.strip())

    def _problem(self, line: bytes) -> str:
        """What is wrong with a line; empty if nothing is."""
        try:
            found = json.loads(line, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            return f"no JSON object ({error}); each line holds a whole one"
        if not isinstance(found, dict):
            return "no JSON object; each line holds a whole one"
        kinds: dict[str, tuple[type, ...]] = {"rating": (int, float), "timestamp": (int, float, str)}
        wanted = {"rating": "a number", "timestamp": "a number or a date in ISO 8601"}
        of_id, word = ((int,), "an integer of 64 bits") if self.ids == pa.int64() else ((str,), "a text")
        for name, column in self.names.items():
            value: Any = found.get(str(column))
            if value is None or value in self.nothing:
                continue
            is_kind = isinstance(value, kinds.get(name, of_id)) and not isinstance(value, bool)
            if not is_kind or (isinstance(value, int) and not -(2**63) <= value < 2**63):
                other = {int: "integer", str: "string"}.get(type(value)) if name in ("user", "item") else None
                hint = f"; write ids: {other} under format in params.yaml" if other and not is_kind else ""
                return f"{json.dumps(value)[:100]} under '{column}' is not {wanted.get(name, word)}{hint}"
            if name == "timestamp" and isinstance(value, str) and not kind_of_time(value):
                return f"'{value[:100]}' under '{column}' is {NO_TIME}"
            if isinstance(value, str) and not value.isascii() and value.encode(errors="replace").decode() != value:
                return f"what is under '{column}' is no text in Unicode"
        return ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)
