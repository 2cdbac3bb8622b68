"""Files are read from inside what packs them, unless it is broken or a bomb, and told by their first bytes."""

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stages.interactions.formats.packed import pieces_of
from stages.run.errors import UserError

CONTENT = b"1,2,4.0,5\n" * 1000
MEMBER = "set/ratings.csv"


def archive_of(folder: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def read(path: Path, member: str | None = MEMBER) -> bytes:
    return b"".join(pieces_of(path, member))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_is_read_however_it_is_packed(tmp_path: Path, method: int) -> None:
    assert read(archive_of(tmp_path, ("set/README", b""), (MEMBER, CONTENT), method=method)) == CONTENT


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_large_file_is_read_whole(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = np.random.default_rng(0).integers(32, 127, 9_000_000, dtype=np.uint8).tobytes()
    (tmp_path / "log").write_bytes(pack(content))
    assert read(tmp_path / "log", None) == content
    assert read(archive_of(tmp_path, (MEMBER, content))) == content


def test_a_missing_member_is_said_with_what_there_is(tmp_path: Path) -> None:
    path = archive_of(tmp_path, (MEMBER, CONTENT))
    with pytest.raises(UserError, match=r"has no members named other/ratings\.csv; it has set/ratings\.csv"):
        read(path, "other/ratings.csv")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_the_name_are_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, (MEMBER, CONTENT), (MEMBER, b"other"))
    with pytest.raises(UserError, match=r"has 2 members named set/ratings\.csv"):
        read(path)


def test_an_archive_without_a_member_named_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a zip archive of set/ratings\.csv; name one under format\.member"):
        read(archive_of(tmp_path, (MEMBER, CONTENT)), None)


def test_a_member_of_what_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(CONTENT)
    with pytest.raises(UserError, match="is no whole zip archive, so it has no set/ratings"):
        read(tmp_path / "log.csv")


def test_a_bomb_is_read_no_further(tmp_path: Path) -> None:
    bomb = b"1" * 50_000_000
    (tmp_path / "log.gz").write_bytes(gzip.compress(bomb))
    for path, member in [(archive_of(tmp_path, (MEMBER, bomb)), MEMBER), (tmp_path / "log.gz", None)]:
        with pytest.raises(UserError, match=r"unpacks to more than .* bytes from .*: no log compresses like that"):
            read(path, member)


def test_a_member_longer_than_the_archive_says_is_damaged(tmp_path: Path) -> None:
    path = archive_of(tmp_path, (MEMBER, CONTENT))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rfind(b"PK\x01\x02") + 24, 100)  # the size as the directory has it
    path.write_bytes(content)
    with pytest.raises(UserError, match="is cut short or damaged"):
        read(path)


@pytest.mark.parametrize("length", [100, 300])
def test_a_file_cut_short_is_said(tmp_path: Path, length: int) -> None:
    content = np.random.default_rng(0).integers(32, 127, 10_000, dtype=np.uint8).tobytes()
    zstd = pa.compress(content, codec="zstd", asbytes=True)
    for packed in (gzip.compress(content), bz2.compress(content), zstd):
        (tmp_path / "log").write_bytes(packed[:-length])
        with pytest.raises(UserError, match="is cut short or damaged"):
            read(tmp_path / "log", None)
    path = archive_of(tmp_path, (MEMBER, content))
    path.write_bytes(path.read_bytes()[:-length])
    with pytest.raises(UserError, match="is cut short or damaged"):
        read(path)


@pytest.mark.parametrize("position", range(40, 2500, 300))
def test_a_flipped_bit_in_what_is_packed_is_said(tmp_path: Path, position: int) -> None:
    content = np.random.default_rng(0).integers(32, 127, 3000, dtype=np.uint8).tobytes()
    (tmp_path / "log.gz").write_bytes(gzip.compress(content))
    for path, member in [(archive_of(tmp_path, (MEMBER, content)), MEMBER), (tmp_path / "log.gz", None)]:
        damaged = bytearray(path.read_bytes())
        damaged[position + 20] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(UserError):
            read(path, member)


def test_an_encrypted_archive_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, (MEMBER, CONTENT))
    content = bytearray(path.read_bytes())
    for header, flags in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)]:
        content[content.find(header) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted or packed in an unusual way"):
        read(path)


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("log.csv")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return file.getvalue()


def table(write: Callable[[pd.DataFrame, io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(pd.DataFrame({"user": [1], "item": [2]}), file)
    return file.getvalue()


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tar(), "is a tar archive; unpack it"),
        (table(pd.DataFrame.to_parquet), "is a Parquet file; write kind: parquet"),
        (table(pd.DataFrame.to_feather), "is an Arrow or Feather file; save it as CSV"),
        (table(pd.DataFrame.to_pickle), "is a Python pickle; save it as CSV"),
        (workbook(), "is an Excel workbook or another office file; save it as CSV"),
        (b"\xfd7zXZ\0" + CONTENT, "is an xz file; unpack it"),
        (b"<!DOCTYPE html><html>Log in", "is a web page or XML; save it as CSV"),
        (gzip.compress(gzip.compress(CONTENT)), "is gzip inside another packing; unpack it"),
        (gzip.compress(tar()), "is a tar archive inside another packing; unpack it"),
        (CONTENT.decode().encode("utf-16"), "is text in UTF-16 or UTF-32, or no text; convert it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(UserError, match=kind):
        read(tmp_path / "log.csv", None)


def test_gzip_in_a_zip_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is gzip inside another packing; unpack it"):
        read(archive_of(tmp_path, (MEMBER, gzip.compress(CONTENT))))
