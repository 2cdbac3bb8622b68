"""Ratings are read from inside the archive, and bad ones are said with their place."""

import zipfile
from pathlib import Path

import pytest

from stages.errors import UserError
from stages.interactions.ratings import read_ratings

MEMBER = "set/ratings.csv"
HEADER = "userId,movieId,rating,timestamp\n"


def archive_of(folder: Path, text: str) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, text)
    return path


def test_columns_are_found_by_name_and_order_is_the_files(tmp_path: Path) -> None:
    path = archive_of(tmp_path, "rating,tip,movieId,timestamp,userId\n4.5,x,7,11,2\n0.5,y,3,12,1\n")
    assert read_ratings(path, MEMBER).to_dict("list") == {
        "user": [2, 1],
        "item": [7, 3],
        "rating": [4.5, 0.5],
        "timestamp": [11, 12],
    }


def test_the_last_of_several_ratings_by_timestamp_counts(tmp_path: Path) -> None:
    path = archive_of(tmp_path, HEADER + "1,7,5.0,30\n1,8,4.0,10\n1,7,1.0,20\n")
    assert read_ratings(path, MEMBER)["rating"].tolist() == [5.0, 4.0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (HEADER, "has a header but no ratings"),
        ("userId,movieId,timestamp\n1,2,3\n", "column 'rating' is there 0 times, not once"),
        ("userId,movieId,rating,rating,timestamp\n1,2,3,3,4\n", "column 'rating' is there 2 times, not once"),
        (HEADER + "1,2,4.0,5\n1,3,good,6\n", r"Row #3.*invalid value 'good'"),
        (HEADER + "1,2,4.0,5\n1,3\n", r"Row #3: Expected 4 columns, got 2"),
        (HEADER + "1,2,4.0,5\n1,3,,6\n", "line 3 has no number under 'rating'"),
        (HEADER + "1,2,inf,5\n", "line 2 has no number under 'rating'"),
        (HEADER + "99999999999999999999,2,4.0,5\n", "Row #2.*invalid value '99999999999999999999'"),
        (HEADER + "1.5,2,4.0,5\n", r"Row #2.*invalid value '1\.5'"),
    ],
)
def test_bad_ratings_are_said_with_their_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        read_ratings(archive_of(tmp_path, text), MEMBER)
    assert f"set.zip:{MEMBER}" in str(raised.value)


def test_an_archive_without_the_member_says_what_it_has(tmp_path: Path) -> None:
    path = archive_of(tmp_path, HEADER)
    with pytest.raises(UserError, match=r"has no member other/ratings\.csv; it has set/ratings\.csv"):
        read_ratings(path, "other/ratings.csv")


def test_an_archive_cut_short_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, HEADER + "1,2,4.0,5\n" * 1000)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="is not a whole zip archive"):
        read_ratings(path, MEMBER)


def test_a_damaged_member_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, HEADER + "1,2,4.0,5\n" * 1000)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a whole zip archive"):
        read_ratings(path, MEMBER)
