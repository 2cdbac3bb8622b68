"""Logs in JSON lines: an object per line, as Yelp, Amazon and Goodreads publish them."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from stages.config.dataset import JsonLinesFormat
from stages.interactions.formats.blocks import blocks_of, in_order
from stages.interactions.formats.packed import pieces_of
from stages.interactions.formats.reading import Reader, as_ids, as_times
from stages.run.errors import UserError

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
        is_empty = True
        try:
            for batch in in_order(self._parse, (block for block in self._blocks(path) if block.strip())):
                is_empty = False
                yield batch
        except (pa.ArrowInvalid, ValueError) as error:
            for line, text in self._lines(path):
                if problem := self._problem(text):
                    raise UserError(f"{path}, line {line:,}: {problem}") from error
            raise UserError(f"{path}: {' '.join(str(error).split())}") from error
        if is_empty:
            raise UserError(f"{path} is empty; put the whole file there, or remove it")

    def place(self, path: Path, row: int) -> str:
        """The line of a row."""
        return f"line {next(islice(self._lines(path), row, None))[0]:,}"

    def _blocks(self, path: Path) -> Iterator[bytes]:
        return blocks_of(pieces_of(path, self.member), str(path))

    def _parse(self, block: bytes) -> pa.RecordBatch:
        """The fields of a block; raises pa.ArrowInvalid or ValueError."""
        block.decode()  # Arrow does not check it
        read = pa.json.ReadOptions(use_threads=False, block_size=len(block))
        for time in TIMES:
            types = {"user": self.ids, "item": self.ids, "rating": pa.float64(), "timestamp": time}
            schema = pa.schema([(str(column), types[name]) for name, column in self.names.items()])
            parse = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
            try:
                table = pa.json.read_json(pa.BufferReader(block), read, parse)
                break
            except pa.ArrowInvalid as error:
                problem = error
        else:
            raise problem
        if len(table) != sum(1 for line in block.split(b"\n") if line.strip()):
            raise ValueError("a line is no object, or holds several")
        (batch,) = table.combine_chunks().to_batches()
        arrays = {name: batch.column(str(column)) for name, column in self.names.items()}
        for name, array in arrays.items():
            if name in ("user", "item"):
                arrays[name] = as_ids(array, self.nothing)
            elif name == "timestamp":
                arrays[name] = as_times(array)
        return pa.record_batch(list(arrays.values()), names=list(arrays))

    def _lines(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, and their numbers from 1."""
        lines = (line for block in self._blocks(path) for line in block.splitlines())
        return ((number, line) for number, line in enumerate(lines, 1) if line.strip())

    def _problem(self, line: bytes) -> str:
        """What is wrong with a line; empty if nothing is."""
        try:
            found = json.loads(line, object_pairs_hook=_without_repeats)
        except ValueError as error:
            return f"no JSON object ({error}); each line holds a whole one"
        if not isinstance(found, dict):
            return "no JSON object; each line holds a whole one"
        kinds: dict[str, tuple[type, ...]] = {"rating": (int, float), "timestamp": (int, float, str)}
        wanted = {"rating": "a number", "timestamp": "a number or a date in ISO 8601"}
        of_id, word = ((int,), "an integer of 64 bits") if self.ids == pa.int64() else ((str,), "a text")
        for name, column in self.names.items():
            value: Any = found.get(str(column))
            is_kind = isinstance(value, kinds.get(name, of_id)) and not isinstance(value, bool)
            too_long = isinstance(value, int) and not -(2**63) <= value < 2**63
            if value is not None and (not is_kind or too_long):
                hint = (
                    "; write ids: string under format in params.yaml"
                    if name in ("user", "item") and isinstance(value, str)
                    else ""
                )
                return f"{json.dumps(value)[:100]} under '{column}' is not {wanted.get(name, word)}{hint}"
            if name == "timestamp" and isinstance(value, str):
                try:
                    as_times(pa.array([value]))
                except pa.ArrowInvalid:
                    return f"'{value[:100]}' under '{column}' is no date in ISO 8601"
        return ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)
