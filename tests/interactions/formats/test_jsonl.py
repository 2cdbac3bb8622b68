"""JSON lines are read by named fields, and what is wrong with a line is said with its number."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from stages.run.errors import UserError
from tests.interactions.formats.layouts import nanoseconds
from tests.interactions.formats.layouts import read as read_file

LINE = b'{"userId": 1, "movieId": 2, "rating": 4, "timestamp": 5}\n'


def read(folder: Path, content: bytes, **changes: Any) -> dict[str, list[Any]]:
    path = folder / "log.json.gz"
    path.write_bytes(content)
    return read_file(path, "jsonl", **changes)


@pytest.mark.parametrize(
    "content",
    [
        LINE,
        gzip.compress(LINE, mtime=0),
        b"\xef\xbb\xbf\n" + LINE + b"\r\n \n",
        b'{"text": "a\\nb", "rating": 4.0, "more": {"userId": 9}, "movieId": 2, "timestamp": 5.0, "userId": 1}',
    ],
)
def test_the_same_row_in_other_clothes(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == {"user": [1], "item": [2], "rating": [4.0], "timestamp": [5]}


def test_reviews_as_yelp_and_amazon_publish_them(tmp_path: Path) -> None:
    yelp = b'{"review_id":"x","user_id":"a_1","business_id":"-b","stars":4.0,"date":"2018-07-07 22:09:11"}\n'
    columns = {"user": "user_id", "item": "business_id", "rating": "stars", "timestamp": "date"}
    found = read(tmp_path, yelp, ids="string", columns=columns)
    assert (found["user"], found["item"], found["rating"]) == (["a_1"], ["-b"], [4.0])
    assert nanoseconds(found["timestamp"]) == [1531001351 * 10**9]
    amazon = b'{"reviewerID": "A2", "asin": "0012", "overall": 5.0, "unixReviewTime": 1252800000, "helpful": [0, 0]}\n'
    columns = {"user": "reviewerID", "item": "asin", "rating": "overall", "timestamp": "unixReviewTime"}
    found = read(tmp_path, amazon, ids="string", columns=columns)
    assert found == {"user": ["A2"], "item": ["0012"], "rating": [5.0], "timestamp": [1252800000]}


def test_incomplete_lines_are_dropped_if_that_is_wanted(tmp_path: Path) -> None:
    content = LINE + b'{"userId": null, "movieId": 2, "rating": 4, "timestamp": 5}\n{"movieId": 2}\n'
    assert read(tmp_path, content, missing="drop")["user"] == [1]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"[1, 2]", "no JSON object"),
        (b'{"userId": 1', "no JSON object"),
        (b'{"userId": 1}{"userId": 1}', "no JSON object"),
        (LINE.replace(b"{", b'{"userId": 1, '), "a key is there twice"),
        (LINE.replace(b"1", b'"1"'), r"\"1\" under 'userId' is not an integer of 64 bits; write ids: string"),
        (LINE.replace(b"1", b"1.5"), "1.5 under 'userId' is not an integer of 64 bits"),
        (LINE.replace(b"1", b"true"), "true under 'userId' is not an integer of 64 bits"),
        (LINE.replace(b"1", b"9223372036854775808"), "9223372036854775808 under 'userId' is not an integer"),
        (LINE.replace(b"1", b'"\\ud800"'), "is not an integer of 64 bits"),
        pytest.param(
            LINE.replace(b"1", b'"a"').replace(b"}", b', "x": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
            "recursion depth",
            id="nested without end",
        ),
        (LINE.replace(b"4", b'"4"'), r"\"4\" under 'rating' is not a number"),
        (LINE.replace(b"5", b'"soon"'), "'soon' under 'timestamp' is neither a number nor a date"),
        (b'{"userId": 1, "movieId": 2, "timestamp": 5}', "nothing under 'rating', as in one row"),
        (LINE.replace(b"}", b', "x": "\xff"}'), "no JSON object .*'utf-8' codec"),
    ],
)
def test_a_bad_line_is_said_with_its_number(tmp_path: Path, line: bytes, complaint: str) -> None:
    with pytest.raises(UserError, match=f"line 4: .*{complaint}"):
        read(tmp_path, LINE + b"\n" + LINE + line)


def test_words_for_nothing_are_nothing_in_any_column(tmp_path: Path) -> None:
    lines = [LINE, *(LINE.replace(b" %d" % number, b' "NULL"') for number in (1, 2, 4, 5)), LINE.replace(b"4", b'""')]
    assert read(tmp_path, b"".join(lines), missing="drop")["user"] == [1]


def test_a_key_that_no_object_has_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no object has the key 'who'; they have userId, movieId, rating, timestamp"):
        read(tmp_path, LINE, columns={"user": "who", "item": "movieId"})


def test_times_of_several_kinds_are_said(tmp_path: Path) -> None:
    dated = LINE.replace(b"5", b'"2026-01-01"')
    for other in (LINE, LINE.replace(b"5", b'"2026-01-01T00:00:00Z"')):
        with pytest.raises(UserError, match=r"is a .*, and before there is a date without a time zone"):
            read(tmp_path, dated + other)


def test_an_object_over_several_lines_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 1: no JSON object .*; each line holds a whole one"):
        read(tmp_path, LINE.replace(b",", b",\n"))


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path, b"\n")
