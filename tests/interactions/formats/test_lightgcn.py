"""A user and their items on a line, as LightGCN and NGCF publish them; what is wrong is said with its line."""

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.run.errors import UserError
from tests.interactions.formats.layouts import read as read_file

LINES = b"7 12 3\n0 3\n"
PAIRS = {"user": [7, 7, 0], "item": [12, 3, 3]}


def read(folder: Path, content: bytes, **changes: Any) -> dict[str, list[Any]]:
    path = folder / "train.txt"
    path.write_bytes(content)
    return read_file(path, "lightgcn", **changes)


@pytest.mark.parametrize(
    "content",
    [
        LINES,
        LINES.rstrip(),
        LINES.replace(b"\n", b"\r\n"),
        LINES.replace(b"\n", b"\r"),
        LINES.replace(b"\n", b" \n"),
        b"\n" + LINES.replace(b"\n", b"\n\n"),
        b"\xef\xbb\xbf" + LINES,
        b"7 012 3\n00 3\n",
        b"7 12\n7 3\n0 3\n",
        b"5\n" + LINES + b"6 \n",
        gzip.compress(LINES, mtime=0),
    ],
    ids=[
        "as published", "no line end", "CRLF", "CR", "a blank at the end", "empty lines", "byte order mark", "zeros",
        "a user on two lines", "users without items", "gzip",
    ],
)  # fmt: skip
def test_the_same_pairs_in_other_clothes(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == PAIRS


def test_a_file_inside_a_zip_archive(tmp_path: Path) -> None:
    path = tmp_path / "gowalla.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gowalla/train.txt", LINES)
        archive.writestr("gowalla/test.txt", "7 x")
    assert read_file(path, "lightgcn", member="gowalla/train.txt") == PAIRS
    with pytest.raises(UserError, match=r"gowalla\.zip:gowalla/test\.txt, line 1: 'x' is no integer"):
        read_file(path, "lightgcn", member="gowalla/test.txt")


def test_the_largest_ids(tmp_path: Path) -> None:
    assert read(tmp_path, b"9223372036854775807 0\n") == {"user": [2**63 - 1], "item": [0]}


def test_users_without_items_alone_have_no_pairs(tmp_path: Path) -> None:
    assert read(tmp_path, b"1\n2 \n") == {"user": [], "item": []}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"org_id remap_id", "'org_id' is no integer from 0 to 9,223,372,036,854,775,807; a line is a user and"),
        (b"1 2 x3", "'x3' is no integer"),
        (b"1 2.0", "'2.0' is no integer"),
        (b"1 -2", "'-2' is no integer"),
        (b"1 +2", r"'\+2' is no integer"),
        (b"1 0x2", "'0x2' is no integer"),
        (b"1 2_0", "'2_0' is no integer"),
        ("1 ٢".encode(), "'٢' is no integer"),
        (b"1 9223372036854775808", "'9223372036854775808' is no integer"),
        (b"1 " + b"9" * 5000, "'9{100}' is no integer"),
        (b"1\t2", "'1\t2' is no integer"),
        (b"1,2,3", "'1,2,3' is no integer"),
        (b"1 2\xff", "'2�' is no integer"),
        (b"1  2", "two blanks in a row, or one at the start; a line is a user and"),
        (b" 1 2", "two blanks in a row, or one at the start"),
        (b"1 2  ", "two blanks in a row, or one at the start"),
        (b" ", "two blanks in a row, or one at the start"),
    ],
)
def test_a_bad_line_is_said_with_its_number(tmp_path: Path, line: bytes, complaint: str) -> None:
    with pytest.raises(UserError, match=rf"train\.txt, line 5: {complaint}"):
        read(tmp_path, b"5\n" + LINES + b"\n" + line + b"\n8 1\n")


def test_a_bad_line_is_found_behind_a_million_others(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.txt, line 1,000,001: 'x' is no integer"):
        read(tmp_path, b"1 23\n" * 10**6 + b"1 x\n")


@pytest.mark.parametrize("content", [b"", b"\n\r\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_said(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"train\.txt is empty"):
        read(tmp_path, content)


def test_a_file_cut_short_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.txt is cut short or damaged"):
        read(tmp_path, gzip.compress(LINES * 1000)[:-5])
