"""Small archives in each of the family's layouts, with lines as GroupLens wrote them."""

import zipfile
from pathlib import Path

import pytest

from stages.interactions.formats.movielens import read_titles
from tests.interactions.formats.layouts import read

LAYOUTS = {
    "ml-20m/ratings.csv": (
        b"userId,movieId,rating,timestamp\r\n1,2,3.5,1112486027\r\n1,29,4.0,1112484676\r\n",
        "ml-20m/movies.csv",
        b'movieId,title,genres\r\n2,Jumanji (1995),Adventure\r\n29,"City of Lost Children, The (1995)",Drama\r\n',
    ),
    "ml-1m/ratings.dat": (
        b"1::2::3.5::1112486027\n1::29::4::1112484676\n",
        "ml-1m/movies.dat",
        "2::Jumanji (1995)::Adventure\n29::City of Lost Children, The (1995)::Drama\n30::Misérables, Les::X\n".encode(
            "latin-1"
        ),
    ),
    "ml-100k/u.data": (
        b"1\t2\t3.5\t1112486027\n1\t29\t4\t1112484676\n",
        "ml-100k/u.item",
        b"2|Jumanji (1995)|01-Jan-1995||http://x|0|0\n29|City of Lost Children, The (1995)|01-Jan-1995||http://y|0|0\n",
    ),
}


@pytest.fixture(params=LAYOUTS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    ratings, beside, titles = LAYOUTS[request.param]
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(request.param, ratings)
        opened.writestr(beside, titles)
    return path, request.param


def test_ratings_are_read(archive: tuple[Path, str]) -> None:
    path, member = archive
    assert read(path, "movielens", member=member) == {
        "user": [1, 1],
        "item": [2, 29],
        "rating": [3.5, 4.0],
        "timestamp": [1112486027, 1112484676],
    }


def test_items_get_their_titles(archive: tuple[Path, str]) -> None:
    titles = read_titles(*archive)
    assert titles[2] == "Jumanji (1995)"
    assert titles[29] == "City of Lost Children, The (1995)"


def test_an_archive_without_titles_has_none(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("set/ratings.csv", "")
    assert read_titles(path, "set/ratings.csv") == {}


def test_a_line_of_titles_without_an_id_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("set/ratings.dat", "")
        opened.writestr("set/movies.dat", "²::Two::\n3::A\u2028B\x85C::\n")
    assert read_titles(path, "set/ratings.dat") == {3: "A\u2028B\x85C"}
