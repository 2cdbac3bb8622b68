"""Members are read from inside an archive, unless it is broken or not to be trusted."""

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.interactions.formats.zip_archive import open_member
from stages.run.errors import UserError

CONTENT = b"1,2,4.0,5\n" * 1000


def archive_of(folder: Path, *members: tuple[str, bytes]) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def read(path: Path, member: str = "set/ratings.csv") -> bytes:
    with open_member(path, member) as stream:
        return stream.read()


def test_a_member_is_read(tmp_path: Path) -> None:
    assert read(archive_of(tmp_path, ("set/README", b""), ("set/ratings.csv", CONTENT))) == CONTENT


def test_a_large_member_is_read_in_any_pieces(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(3_000_000)
    path = archive_of(tmp_path, ("set/README", b"text"), ("set/ratings.csv", content))
    with open_member(path, "set/ratings.csv") as stream:
        pieces = [stream.read(size) for size in (1, 700_000, 10)]
        assert b"".join([*pieces, stream.read()]) == content


def test_a_member_that_is_not_packed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("set/ratings.csv", CONTENT)
    assert read(path) == CONTENT


def test_a_missing_member_is_said_with_what_there_is(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT))
    with pytest.raises(UserError, match=r"has no member other/ratings\.csv; it has set/ratings\.csv"):
        read(path, "other/ratings.csv")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_the_name_are_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT), ("set/ratings.csv", b"other"))
    with pytest.raises(UserError, match=r"has 2 members named set/ratings\.csv"):
        read(path)


@pytest.mark.parametrize("name", ["../ratings.csv", "/etc/passwd", "set/../../x", "C:\\x"])
def test_an_unsafe_name_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="has a member with the unsafe name"):
        read(archive_of(tmp_path, ("set/ratings.csv", CONTENT), (name, b"")))


def test_a_bomb_that_says_its_size_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"declares 50,000,000 bytes, packed in .*: no ratings compress like that"):
        read(archive_of(tmp_path, ("set/ratings.csv", bytes(50_000_000))))


def test_a_bomb_that_hides_its_size_is_read_no_further(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rfind(b"PK\x01\x02") + 24, 100)  # the size as the directory has it
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a whole zip archive"):
        read(path)


def test_an_archive_cut_short_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="is not a whole zip archive"):
        read(path)


def test_a_damaged_member_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT))
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a whole zip archive"):
        read(path)


def test_an_encrypted_archive_is_said(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("set/ratings.csv", CONTENT))
    content = bytearray(path.read_bytes())
    for header, flags in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)]:
        content[content.find(header) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted or packed in an unusual way"):
        read(path)
