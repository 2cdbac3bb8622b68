"""How the archives of the MovieLens family are laid out."""

import csv
import io
import zipfile
from pathlib import Path
from typing import NamedTuple

from stages.interactions.formats.zip_archive import open_member


class Layout(NamedTuple):
    """Of one file of ratings, and of the one with the titles beside it."""

    columns: dict[str, str | int]
    """Our name → the file's, or its position from 1."""
    separator: str
    titles: str
    """Name of the file with the titles: item and title are its first two columns."""
    titles_separator: str


BY_NAME: dict[str, str | int] = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
BY_POSITION: dict[str, str | int] = {"user": 1, "item": 2, "rating": 3, "timestamp": 4}
LAYOUTS = {
    "ratings.csv": Layout(BY_NAME, ",", "movies.csv", ","),  # latest, 20m, 25m, 32m
    "ratings.dat": Layout(BY_POSITION, "::", "movies.dat", "::"),  # 1m, 10m
    "u.data": Layout(BY_POSITION, "\t", "u.item", "|"),  # 100k
}


def layout_of(member: str) -> Layout:
    """The layout of a ratings file, known by its name."""
    return LAYOUTS[member.rpartition("/")[2]]


def read_titles(path: Path, member: str) -> dict[int, str]:
    """Titles of the movies, by their ids, from beside the ratings; none where the archive has no such file.

    Parameters
    ----------
    path : of the archive
    member : the ratings
    """
    layout = layout_of(member)
    beside = member.removesuffix(member.rpartition("/")[2]) + layout.titles
    with zipfile.ZipFile(path) as archive:
        if beside not in archive.namelist():
            return {}
    with open_member(path, beside) as stream:
        content = stream.read()
    try:
        text = content.decode()
    except UnicodeDecodeError:  # 100k and 1m
        text = content.decode("latin-1")
    if len(layout.titles_separator) > 1:
        rows = [line.split(layout.titles_separator) for line in text.splitlines()]
    else:
        rows = list(csv.reader(io.StringIO(text), delimiter=layout.titles_separator))
    return {int(row[0]): row[1] for row in rows if len(row) > 1 and row[0].isdigit()}  # no header
