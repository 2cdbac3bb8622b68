"""Ratings and titles in the archives of the MovieLens family."""

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from stages.config.dataset import MovieLensFormat
from stages.interactions.formats.csv import CsvReader
from stages.interactions.formats.packed import pieces_of
from stages.interactions.formats.reading import Reader


class Layout(NamedTuple):
    """Layout of a file of ratings, and of the file of titles next to it."""

    columns: dict[str, str | int]
    """Our name of a column → the file's name, or its position from 1."""
    separator: str
    titles: str
    """Name of the file of titles, whose first two columns are item and title."""
    titles_separator: str


BY_NAME: dict[str, str | int] = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
BY_POSITION: dict[str, str | int] = {"user": 1, "item": 2, "rating": 3, "timestamp": 4}
LAYOUTS = {
    "ratings.csv": Layout(BY_NAME, ",", "movies.csv", ","),  # latest, 20m, 25m, 32m
    "ratings.dat": Layout(BY_POSITION, "::", "movies.dat", "::"),  # 1m, 10m
    "u.data": Layout(BY_POSITION, "\t", "u.item", "|"),  # 100k
}


def reader(archive: MovieLensFormat) -> Reader:
    """The reader of the ratings of such an archive."""
    layout = layout_of(archive.member)
    return CsvReader(
        layout.columns,
        "refuse",
        [],
        separator=layout.separator,
        quoted=layout.separator == ",",
        text_ids=False,
        member=archive.member,
    )


def titles(archive: MovieLensFormat, path: Path) -> dict[int, str]:
    """Titles of the movies, by their ids; empty if the archive has no file of titles."""
    return read_titles(path, archive.member)


def layout_of(member: str) -> Layout:
    """The layout of a ratings file, by its name."""
    return LAYOUTS[member.rpartition("/")[2]]


def read_titles(path: Path, member: str) -> dict[int, str]:
    """Titles of the movies, by their ids, from the file next to the ratings; empty if there is none.

    Parameters
    ----------
    path : path of the archive
    member : name of the ratings file inside the archive

    Raises
    ------
    UserError
        as in `stages.interactions.formats.packed.pieces_of`.
    """
    layout = layout_of(member)
    beside = member.removesuffix(member.rpartition("/")[2]) + layout.titles
    with zipfile.ZipFile(path) as archive:
        if beside not in archive.namelist():
            return {}
    content = b"".join(pieces_of(path, beside))
    try:
        text = content.decode()
    except UnicodeDecodeError:  # 100k and 1m
        text = content.decode("latin-1")
    lines = io.StringIO(text, newline=None)
    if layout.titles_separator == ",":
        rows = list(csv.reader(lines))
    else:
        rows = [line.rstrip("\n").split(layout.titles_separator) for line in lines]
    titles = {row[0]: row[1] for row in rows if len(row) > 1}
    return {int(item): title for item, title in titles.items() if re.fullmatch("[0-9]{1,18}", item)}  # no header
