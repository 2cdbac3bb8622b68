"""Delimited text is read as it stands, and what is wrong with it is said with its line."""

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from stages.interactions.formats.csv import read_csv
from stages.run.errors import UserError

NAMES: dict[str, str | int] = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
POSITIONS: dict[str, str | int] = {"user": 1, "item": 2, "rating": 3, "timestamp": 4}
HEADER = "userId,movieId,rating,timestamp\n"


def read(
    folder: Path,
    content: str | bytes,
    columns: dict[str, str | int] = NAMES,
    separator: str = ",",
    ids: pa.DataType = pa.int64(),  # noqa: B008
    name: str = "log.csv",
) -> dict[str, list[object]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rows = pa.Table.from_batches(read_csv(path, columns, separator, ids))
    return rows.to_pydict()


ONE_ROW = {"user": [1], "item": [2], "rating": [4.0], "timestamp": [5]}


def test_columns_are_found_by_name_and_rows_stay_in_order(tmp_path: Path) -> None:
    text = "rating,tip,movieId,timestamp,userId\n4.5,x,7,11,2\n0.5,y,3,12,1\n"
    assert read(tmp_path, text) == {"user": [2, 1], "item": [7, 3], "rating": [4.5, 0.5], "timestamp": [11, 12]}


@pytest.mark.parametrize(
    ("text", "separator"), [("1::2::4::5\n", "::"), ("1\t2\t4\t5\n", "\t"), ("1|2|4|5|more\n", "|")]
)
def test_columns_are_found_by_position(tmp_path: Path, text: str, separator: str) -> None:
    assert read(tmp_path, text, POSITIONS, separator) == ONE_ROW


@pytest.mark.parametrize(
    "content",
    [
        (HEADER + "1,2,4,5\n").replace("\n", "\r\n").encode(),
        (HEADER + "1,2,4,5").encode(),
        (HEADER + "\n1,2,4,5\n\n").encode(),
        (HEADER + "1,2,4,5\n").encode("utf-8-sig"),
        b'"userId","movieId","rating","timestamp"\n"1","2","4","5"\n',
        gzip.compress((HEADER + "1,2,4,5\n").encode()),
    ],
    ids=["CRLF", "no line end", "empty lines", "byte order mark", "quotes", "gzip, whatever its name"],
)
def test_the_same_row_in_other_clothes(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == ONE_ROW


def test_text_ids(tmp_path: Path) -> None:
    columns: dict[str, str | int] = {"user": "u", "item": "i"}
    assert read(tmp_path, "u,i\n007,ä\n", columns, ids=pa.string()) == {"user": ["007"], "item": ["ä"]}


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER)
    assert list(read_csv(path, NAMES, ",", pa.int64())) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"log\.csv is empty"),
        ("\n\n", r"log\.csv is empty"),
        ("\n" + HEADER, r"log\.csv begins with an empty line"),
        ("userId,movieId,timestamp\n1,2,3\n", "column 'rating' is there 0 times, not once"),
        ("userId,movieId,rating,rating,timestamp\n1,2,3,3,4\n", "column 'rating' is there 2 times, not once"),
        (HEADER + "1,2,4.0,5\n1,3,good,6\n", "line 3: 'good' under 'rating' is no number"),
        (HEADER + "\n1,2,4.0,5\n\n1,3,good,6\n", "line 5: 'good' under 'rating' is no number"),
        (HEADER + "1,2,4.0,5\n1,3\n", "line 3: 2 columns instead of 4"),
        (HEADER + "1,2,4.0,5\n1,3,,6\n", "line 3: nothing under 'rating'"),
        (HEADER + "1,2,4.0,5\n1,3,nan,6\n", "line 3: the rating under 'rating' is no finite number"),
        (HEADER + "1,2,inf,5\n", "line 2: the rating under 'rating' is no finite number"),
        (HEADER + "1,2,-1,5\n", "line 2: the rating under 'rating' is negative"),
        (HEADER + "1,2,4.0,yesterday\n", "line 2: 'yesterday' under 'timestamp' is no integer"),
        (HEADER + "99999999999999999999,2,4.0,5\n", "line 2: '99999999999999999999' under 'userId' is no integer"),
        (HEADER + "1.5,2,4.0,5\n", r"line 2: '1\.5' under 'userId' is no integer"),
        (HEADER + "1,2,4.0,5\n" + HEADER, "line 3: .*is this a second header"),
    ],
)
def test_bad_rows_are_said_with_their_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as raised:
        read(tmp_path, text)
    assert str(tmp_path / "log.csv") in str(raised.value)


def test_a_second_header_among_text_ids_is_no_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3: a second header"):
        read(tmp_path, "u,i\na,b\nu,i\n", {"user": "u", "item": "i"}, ids=pa.string())


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,2,-4.0,5\n", "the rating under 'rating' is negative"),
        ("1,2,x,5\n", "'x' under 'rating' is no number"),
        ("1,2\n", "2 columns instead of 4"),
    ],
)
def test_a_bad_row_far_into_a_large_file_is_said_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(UserError, match=f"line 1000002: {complaint}"):
        read(tmp_path, HEADER + "1,2,4.0,5\n" * 1_000_000 + row)


def test_a_position_beyond_the_columns_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 3 columns and so no column 4"):
        read(tmp_path, "1,2,3\n", POSITIONS)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_said(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UserError, match="is no text in UTF-8; convert it"):
        read(tmp_path, (HEADER + "1,2,4,5\n").encode(encoding))


def test_text_ids_in_latin_1_are_said_with_their_line(tmp_path: Path) -> None:
    columns: dict[str, str | int] = {"user": "u", "item": "i"}
    with pytest.raises(UserError, match="line 3: what is under 'i' is not UTF-8"):
        read(tmp_path, "u,i\na,b\nc,ä\n".encode("latin-1"), columns, ids=pa.string())


def test_a_gzip_file_cut_short_is_said(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "1,2,4,5\n" * 100_000).encode())
    with pytest.raises(UserError, match=r"log\.csv is cut short or damaged"):
        read(tmp_path, whole[:-100])


def test_a_zip_archive_without_a_member_named_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("log.csv", HEADER)
    with pytest.raises(UserError, match=r"is a zip archive; name the file inside it under format\.member"):
        list(read_csv(path, NAMES, ",", pa.int64()))
