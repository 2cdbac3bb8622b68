"""Logs as LightGCN and NGCF publish them, `train.txt` and `test.txt`: a user and their items on a line."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.config.dataset import LightGcnFormat
from stages.interactions.formats.blocks import blocks_of, in_order
from stages.interactions.formats.packed import pieces_of
from stages.interactions.formats.reading import Reader
from stages.run.errors import UserError

LINE_ENDS = b"\r\n"
BLANK = ord(" ")
LARGEST = 2**63 - 1


def reader(layout: LightGcnFormat) -> Reader:
    """The reader of such files."""
    return LightGcnReader(layout.member)


class LightGcnReader(Reader):
    """Reads integers from 0 on with one blank between two; a user may have no items, or several lines.

    Copies of a data set differ in the order of lines and items, and in what is train and what is test. None of it is
    kept: rows count as sorted by user, then item.

    Parameters
    ----------
    member : name of the file inside a zip archive, or None
    """

    keeps_order = False

    def __init__(self, member: str | None) -> None:
        super().__init__({"user": 1, "item": 2}, "refuse", [])
        self.member = member

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """As in `Reader`; ids are int64."""
        blocks = (block for block in self._blocks(path) if block.strip(LINE_ENDS))
        first = next(blocks, b"")
        if not first:
            raise UserError(f"{self._where(path)} is empty; put the whole file there, or remove it")
        try:
            yield from in_order(_parse, chain([first], blocks))
        except (pa.ArrowInvalid, ValueError) as error:
            lines = (line for block in self._blocks(path) for line in block.splitlines())
            for number, line in enumerate(lines, 1):
                if problem := _problem(line):
                    raise UserError(
                        f"{self._where(path)}, line {number:,}: {problem}; a line is a user and their items, with one "
                        "blank between two"
                    ) from error
            raise UserError(f"{self._where(path)}: {' '.join(str(error).split())}") from error

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The number of the pair of user and item, from 1."""
        return f"pair {row + 1:,}"

    def _where(self, path: Path) -> str:
        return f"{path}:{self.member}" if self.member else str(path)

    def _blocks(self, path: Path) -> Iterator[bytes]:
        return blocks_of(pieces_of(path, self.member), self._where(path))


def _parse(block: bytes) -> pa.RecordBatch:
    """The pairs of a block of lines; raises ValueError or pa.ArrowInvalid where `_problem` finds one."""
    data = np.frombuffer(block, dtype=np.uint8)
    is_digit = (data >= ord("0")) & (data <= ord("9"))
    is_blank, is_end = data == BLANK, (data == LINE_ENDS[0]) | (data == LINE_ENDS[1])
    is_after_digit = np.concatenate([[False], is_digit[:-1]])
    if not (is_digit | is_blank & is_after_digit | is_end).all():
        raise ValueError("a line is not as it has to be")
    starts = np.flatnonzero(is_digit & ~is_after_digit)
    # Each word with what comes after it, up to the next one: Arrow needs no gaps.
    words = pa.StringArray.from_buffers(
        len(starts), pa.py_buffer(np.append(starts, len(block)).astype(np.int32)), pa.py_buffer(block)
    )
    numbers = np.from_dlpack(pc.ascii_trim_whitespace(words).cast(pa.int64()))
    is_user = (starts == 0) | is_end[starts - 1]
    n_items = np.diff(np.append(np.flatnonzero(is_user), len(starts))) - 1
    user = np.repeat(numbers[is_user], n_items)
    return pa.record_batch([pa.array(user), pa.array(numbers[~is_user])], names=["user", "item"])


def _problem(line: bytes) -> str:
    """What is wrong with a line; empty if nothing is."""
    for word in line.removesuffix(b" ").split(b" ") if line else ():
        if not word:
            return "two blanks in a row, or one at the start"
        digits = word.lstrip(b"0")
        if not word.isdigit() or len(digits) > len(str(LARGEST)) or int(digits or b"0") > LARGEST:
            return f"'{word[:100].decode(errors='replace')}' is no integer from 0 to {LARGEST:,}"
    return ""
