"""Delimited text is read as it stands, and what is wrong with it is said with its line."""

import bz2
import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stages.run.errors import UserError
from tests.interactions.formats.layouts import nanoseconds
from tests.interactions.formats.layouts import read as read_file

POSITIONS = {"user": 1, "item": 2, "rating": 3, "timestamp": 4}
TEXT = {"ids": "string", "columns": {"user": "u", "item": "i"}}
HEADER = "userId,movieId,rating,timestamp\n"
ONE_ROW = {"user": [1], "item": [2], "rating": [4.0], "timestamp": [5]}


def read(folder: Path, content: str | bytes, **changes: Any) -> dict[str, list[Any]]:
    path = folder / "log.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, "csv", **changes)


def test_columns_are_found_by_name_and_rows_stay_in_order(tmp_path: Path) -> None:
    text = "rating,tip,movieId,timestamp,userId\n4.5,x,7,11,2\n0.5,y,3,12,1\n"
    assert read(tmp_path, text) == {"user": [2, 1], "item": [7, 3], "rating": [4.5, 0.5], "timestamp": [11, 12]}


@pytest.mark.parametrize(
    ("text", "separator"), [("1::2::4::5\n", "::"), ("1\t2\t4\t5\n", "\t"), ("1|2|4|5|more\n", "|"), ("1;2;4;5", ";")]
)
def test_columns_are_found_by_position(tmp_path: Path, text: str, separator: str) -> None:
    assert read(tmp_path, text, columns=POSITIONS, separator=separator) == ONE_ROW


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + "1,2,4,5\n").replace("\n", "\r\n").encode(),
        (HEADER + "1,2,4,5\n").replace("\n", "\r").encode(),
        (HEADER + "1,2,4,5").encode(),
        ("\n" + HEADER + "\n1,2,4,5\n\n").encode(),
        (HEADER + "1,2,4,5\n" + "\n" * 5_000_000).encode(),
        (HEADER + "\n" * 5_000_000 + "1,2,4,5\n").encode(),
        (HEADER.replace("\n", "," + "x" * 100_000 + "\n") + "1,2,4,5,\n").encode(),
        (HEADER + "1,2,4,5\n").encode("utf-8-sig"),
        b'"userId","movieId","rating","timestamp"\n"1","2","4","5"\n',
        b'"a\nb",userId,movieId,rating,timestamp\n"c\r\nd",1,2,4,5\n',
        gzip.compress((HEADER + "1,2,4,5\n").encode()),
        gzip.compress(HEADER.encode()) + gzip.compress(b"1,2,4,5\n"),
        bz2.compress((HEADER + "1,2,4,5\n").encode()),
        bytes(pa.compress((HEADER + "1,2,4,5\n").encode(), codec="zstd", asbytes=True)),
    ],
    ids=[
        "CRLF", "CR", "no line end", "empty lines", "many empty lines at the end", "many empty lines after the header",
        "a long header", "byte order mark", "quotes", "line breaks in quotes", "gzip, whatever its name",
        "two gzip members", "bz2", "zstd",
    ],
)  # fmt: skip
def test_the_same_row_in_other_clothes(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == ONE_ROW


def test_lz4(tmp_path: Path) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "x"), "lz4") as file:
        file.write((HEADER + "1,2,4,5\n").encode())
    assert read(tmp_path, (tmp_path / "x").read_bytes()) == ONE_ROW


def test_text_ids_stay_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path, 'u,i\n007, ä\n"0""07",null\n', **TEXT) == {"user": ["007", '0"07'], "item": [" ä", "null"]}


def test_without_a_header_the_first_line_is_a_row_even_if_it_counts_as_positions_do(tmp_path: Path) -> None:
    found = read(tmp_path, "1,2\n1,3\n", ids="string", columns={"user": 1, "item": 2})
    assert found == {"user": ["1", "1"], "item": ["2", "3"]}


def test_quotes_mean_nothing_between_tabs(tmp_path: Path) -> None:
    text = 'u1\ta\tplain\t5\nu1\tb\t"open\t4\nu2\ta\tplain\t1\nu3\tb\tends"\t9\n'
    columns = {"user": 1, "item": 2, "rating": 4}
    found = read(tmp_path, text, ids="string", separator="\t", columns=columns)
    assert found == {"user": ["u1", "u1", "u2", "u3"], "item": ["a", "b", "a", "b"], "rating": [5, 4, 1, 9]}


def test_quotes_can_be_turned_on_and_off(tmp_path: Path) -> None:
    assert read(tmp_path, 'u,i\n"a",b\n', **TEXT, quotes=False)["user"] == ['"a"']
    assert read(tmp_path, 'u\ti\n"a"\tb\n', **TEXT, quotes=True, separator="\t")["user"] == ["a"]


def test_ratings_may_be_negative(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + "1,2,-9.5,5\n")["rating"] == [-9.5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1112486027.5", 1112486027.5),
        ("-1", -1),
        ("2010-10-19T23:55:27Z", 1287532527 * 10**9),
        ("2010-10-19T23:55:27.25+02:00", 1287525327 * 10**9 + 250_000_000),
        ("2010-10-19 23:55:27", 1287532527 * 10**9),
        ("2010-10-19", 1287446400 * 10**9),
    ],
)
def test_times_are_numbers_or_iso_8601(tmp_path: Path, text: str, expected: float) -> None:
    (found,) = read(tmp_path, HEADER + f"1,2,4,{text}\n")["timestamp"]
    assert (found if isinstance(found, int | float) else nanoseconds([found])[0]) == expected


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == {}


@pytest.mark.parametrize("word", ["", r"\N", "NULL", "NA"])
def test_rows_with_nothing_in_a_column_are_dropped_if_that_is_wanted(tmp_path: Path, word: str) -> None:
    rows = f"1,2,4,5\n{word},3,4,5\n1,{word},4,5\n1,3,{word},5\n1,3,4,{word}\n6,7,4,5\n"
    assert read(tmp_path, HEADER + rows, missing="drop")["user"] == [1, 6]


def test_words_for_nothing_are_what_the_entry_says(tmp_path: Path) -> None:
    assert read(tmp_path, "u,i\nNA,-\n", **TEXT, missing_words=[]) == {"user": ["NA"], "item": ["-"]}
    assert read(tmp_path, "u,i\nNA,-\nx,y\n", **TEXT, missing_words=["-"], missing="drop")["user"] == ["x"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"log\.csv is empty"),
        ("\n\r\n", r"log\.csv is empty"),
        ("userId,movieId,timestamp\n1,2,3\n", "column 'rating' is there 0 times, not once"),
        ("userId,movieId,rating,rating,timestamp\n1,2,3,3,4\n", "column 'rating' is there 2 times, not once"),
        (HEADER + "1,2,4.0,5\n1,3,good,6\n", "line 3: 'good' under 'rating' is no number"),
        (HEADER + "\n1,2,4.0,5\n\n1,3,good,6\n", "line 5: 'good' under 'rating' is no number"),
        (HEADER + "1,2,4.0,5\n1,3\n", "line 3: 2 columns instead of 4"),
        (HEADER + "1,2,4.0,5\n1,3,4,5,6\n", "line 3: 5 columns instead of 4"),
        (HEADER + "1,2,4.0,5\n1,3,,6\n,3,4,6\n", "line 3: nothing under 'rating', the first of 2 incomplete rows"),
        (HEADER + "1,NULL,4.0,5\n", "line 2: nothing under 'movieId', as in one row"),
        (HEADER + "1,2,4.0,5\n1,3,nan,6\n", "line 3: the rating under 'rating' is no finite number"),
        (HEADER + "1,2,inf,5\n", "line 2: the rating under 'rating' is no finite number"),
        (HEADER + "1,2,4.0,yesterday\n", "line 2: 'yesterday' under 'timestamp' is neither a number nor"),
        (HEADER + "1,2,4,2010-13-45\n", "line 2: '2010-13-45' under 'timestamp' is neither a number nor"),
        (
            HEADER + "1,2,4,7\n1,3,4,2010-10-19\n",
            "line 3: '2010-10-19' .* is a date without .* before there is a number",
        ),
        (HEADER + "99999999999999999999,2,4.0,5\n", "line 2: '99999999999999999999' under 'userId' is no integer"),
        (HEADER + "1.5,2,4.0,5\n", r"line 2: '1\.5' under 'userId' is no integer"),
        (HEADER + "0x10,2,4.0,5\n", "line 2: '0x10' under 'userId' is no integer"),
        (HEADER + "1,2,4.0,0x10\n", "line 2: '0x10' under 'timestamp' is neither a number nor"),
        (HEADER + "1,2,+4.0,5\n1,3,good,5\n", "line 3: 'good' under 'rating' is no number"),
        (HEADER + "1,2,4.0,9999-12-31\n", "neither a number nor a date in ISO 8601 from 1678 to 2261"),
        ('{"user": 1}\n', "looks like JSON lines; write kind: jsonl"),
        (HEADER + "1,²,4.0,5\n", "line 2: '²' under 'movieId' is no integer"),
        (HEADER + "1,2,4.0,5\n" + HEADER, "line 3: a second header; remove it"),
        (HEADER + '1,2,"4.0,5\n', "line 2: a quote that does not close"),
        (HEADER + '1,2,4"0,5\n1,2,4"0,5\n', "line 2: a quote within a text that does not begin with one"),
        (HEADER + '1,2,"4"0,5\n', "line 2: a quote within quotes that is not doubled"),
        (HEADER + "1,2,4.0,5\n\0", "has a NUL byte near byte 42"),
    ],
)
def test_bad_rows_are_said_with_their_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        read(tmp_path, text)
    assert str(tmp_path / "log.csv") in str(raised.value)


def test_lines_are_counted_as_they_are_in_the_file_not_as_rows(tmp_path: Path) -> None:
    text = 'user,item,stars,text\r\nu,i,5,"one\ntwo\nthree"\r\nu,j,bad,x\r\n'
    with pytest.raises(UserError, match="line 5: 'bad' under 'stars' is no number"):
        read(tmp_path, text, ids="string", columns={"user": "user", "item": "item", "rating": "stars"})


def test_a_second_header_among_text_ids_is_no_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3: a second header"):
        read(tmp_path, "u,i\na,b\nu,i\n", **TEXT)


def test_a_second_header_in_other_quotes_is_no_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3: a second header"):
        read(tmp_path, 'u,i\na,b\n"u","i"\n', **TEXT)


def test_what_looks_hexadecimal_in_another_column_does_not_matter(tmp_path: Path) -> None:
    columns = {"user": "u", "item": "i"}
    assert read(tmp_path, "u,i,title\n1,2,The 10x rule\n3,4,0x10\n", columns=columns)["user"] == [1, 3]


def test_a_header_in_quotes_that_mean_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="or write quotes: true there"):
        read(tmp_path, '"u"\t"i"\na\tb\n', **TEXT, separator="\t")


def test_the_byte_that_stands_for_two_colons_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has a byte 0x1F"):
        read(tmp_path, "a\x1fb::c\n", ids="string", separator="::", columns={"user": 1, "item": 2})


def test_a_row_that_begins_as_the_header_does_is_a_row(tmp_path: Path) -> None:
    assert read(tmp_path, "u,i\na,b\nu,i2\n", **TEXT)["item"] == ["b", "i2"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,2,inf,5\n", "the rating under 'rating' is no finite number"),
        ("1,2,x,5\n", "'x' under 'rating' is no number"),
        ("1,2\n", "2 columns instead of 4"),
    ],
)
def test_a_bad_row_far_into_a_large_file_is_said_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(UserError, match=f"line 1,000,002: {complaint}"):
        read(tmp_path, HEADER + "1,2,4.0,5\n" * 1_000_000 + row)


def test_a_position_beyond_the_columns_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 3 columns and so no column 4"):
        read(tmp_path, "1,2,3\n", columns=POSITIONS)


def test_a_line_without_end_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)has a line of more than .* or a quote does not close"):
        read(tmp_path, HEADER + '1,2,"' + "x\n" * 40_000_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_said(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UserError, match="is text in UTF-16 or UTF-32, or no text; convert it"):
        read(tmp_path, (HEADER + "1,2,4,5\n").encode(encoding))


def test_text_ids_in_latin_1_are_said_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 3: '.' under 'i' is not UTF-8"):
        read(tmp_path, "u,i\na,b\nc,ä\n".encode("latin-1"), **TEXT)
