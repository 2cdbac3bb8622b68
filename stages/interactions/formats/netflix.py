"""Ratings of the Netflix Prize: a line with a movie and a colon, then a line for each of its ratings.

Both layouts that are about are read: a folder of 17,770 files, a movie each (`training_set/mv_0000001.txt`), and four
files with all movies (`combined_data_1.txt`).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from stages.config.dataset import NetflixFormat
from stages.interactions.formats.csv import CsvReader, Header
from stages.interactions.formats.reading import Reader
from stages.run.errors import UserError

MOVIE = re.compile(rb"^([0-9]+):(?=\n|\Z)", re.MULTILINE)
ROW = "user,rating,date"
POSITIONS = {"user": 1, "rating": 2, "timestamp": 3, "item": 4}


def reader(layout: NetflixFormat) -> Reader:
    """The reader of such files."""
    return NetflixReader(POSITIONS, "refuse", [], separator=",", quoted=False, text_ids=False, member=layout.member)


class NetflixReader(CsvReader):
    """Reads ratings as lines `user,rating,date,movie`; the lines of movies are empty, so that all keep their number."""

    def _blocks(self, path: Path) -> Iterator[bytes]:
        movie = text = b""
        for block in super()._blocks(path):
            rows, *others = MOVIE.split(block.replace(b"\r\n", b"\n"))
            if rows.strip() and not movie:
                raise UserError(
                    f"{path}, line 1: ratings before the first movie; a file of the Netflix Prize begins with a movie "
                    f"and a colon, and then has lines {ROW}"
                )
            pieces = [text, _with_movie(rows, movie)]
            for movie, rows in zip(others[::2], others[1::2], strict=True):
                pieces += [rows[:1], _with_movie(rows[1:], movie)]
            text = b"".join(pieces)
            if text.strip():  # else there is nothing but lines of movies so far
                yield text
                text = b""
        yield text

    def _problem(self, header: Header, fields: list[str]) -> str:
        if len(fields) != len(POSITIONS):
            return f"neither a movie and a colon nor {ROW}"
        return super()._problem(header, fields)


def _with_movie(rows: bytes, movie: bytes) -> bytes:
    r"""The rows, each with the movie behind it; rows : lines that end in \n, but for the last one of a file."""
    column = b"," + movie
    return rows.replace(b"\n", column + b"\n") + (b"" if rows.endswith(b"\n") or not rows else column)
