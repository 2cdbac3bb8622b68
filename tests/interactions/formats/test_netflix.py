"""Ratings of the Netflix Prize in both of their layouts; what is wrong is said with its line."""

import gzip
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from stages.interactions.formats import packed
from stages.run.errors import UserError
from tests.interactions.formats.layouts import read as read_file

COMBINED = b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n2059652,4,2005-09-05\n"
RATINGS = {
    "user": [1488844, 822109, 2059652],
    "rating": [3.0, 5.0, 4.0],
    "timestamp": [datetime(2005, 9, 6), datetime(2005, 5, 13), datetime(2005, 9, 5)],
    "item": [1, 1, 2],
}


def read(folder: Path, content: bytes) -> dict[str, list[Any]]:
    path = folder / "combined_data_1.txt"
    path.write_bytes(content)
    return read_file(path, "netflix")


@pytest.mark.parametrize(
    "content",
    [COMBINED, COMBINED.rstrip(), COMBINED.replace(b"\n", b"\r\n"), gzip.compress(COMBINED, mtime=0)],
    ids=["as published", "no line end", "CRLF", "gzip"],
)
def test_the_same_ratings_in_other_clothes(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == RATINGS


def test_a_file_in_a_zip_archive(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("combined_data_1.txt", COMBINED)
    assert read_file(path, "netflix", member="combined_data_1.txt") == RATINGS


def test_one_file_for_each_movie(tmp_path: Path) -> None:
    assert read(tmp_path, b"17770:\n822109,5,2005-05-13\n")["item"] == [17770]


def test_a_movie_goes_on_in_the_next_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(1, len(COMBINED) + 1):
        monkeypatch.setattr(packed, "PIECE", size)
        assert read(tmp_path, COMBINED) == RATINGS, size


def test_a_movie_without_ratings(tmp_path: Path) -> None:
    assert read(tmp_path, b"9:\n" + COMBINED + b"8:\n") == RATINGS


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"5", "neither a movie and a colon nor user,rating,date"),
        (b"x:", "neither a movie and a colon nor user,rating,date"),
        (b"5,3", "neither a movie and a colon nor user,rating,date"),
        (b"", "neither a movie and a colon nor user,rating,date"),
        (b"5,3,2005-09-06,7", "neither a movie and a colon nor user,rating,date"),
        (b"a,3,2005-09-06", "'a' under '1' is no integer of 64 bits"),
        (b"5,good,2005-09-06", "'good' under '2' is no number"),
        (b"5,3,2005-13-06", "'2005-13-06' under '3' is neither a number nor a date"),
    ],
)
def test_a_bad_line_is_said_with_its_number(tmp_path: Path, line: bytes, complaint: str) -> None:
    with pytest.raises(UserError, match=rf"combined_data_1\.txt, line 6: {complaint}"):
        read(tmp_path, COMBINED + line + b"\n5,3,2005-09-06\n")


def test_ratings_of_no_movie_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 1: ratings before the first movie"):
        read(tmp_path, b"5,3,2005-09-06\n" + COMBINED)
