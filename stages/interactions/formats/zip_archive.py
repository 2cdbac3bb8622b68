"""Reads members of a zip archive without unpacking it to disk."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from isal import isal_zlib
from isal.igzip_lib import IsalError

from stages.run.errors import UserError

# Largest accepted ratio of declared to compressed size: ratings reach 3 to 6, a zip bomb 1,000.
MOST_COMPRESSION = 200
ENCRYPTED = 1  # flag bit of a member
LOCAL_HEADER = 30  # bytes; the last four are the lengths of the name and of the extra field, which precede the data
PACKED_AT_ONCE = 2**18  # bytes, which a hostile archive can expand 1,000 times


class _Inflated(io.RawIOBase):
    """A deflated member, decompressed by Intel's ISA-L, several times faster than zlib in zipfile."""

    def __init__(self, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self.file, self.info = file, info
        file.seek(info.header_offset)
        lengths = struct.unpack("<HH", file.read(LOCAL_HEADER)[-4:])
        file.seek(sum(lengths), io.SEEK_CUR)
        self.packed = info.compress_size  # compressed bytes not yet read
        self.inflater = isal_zlib.decompressobj(-zlib.MAX_WBITS)
        self.content = memoryview(b"")  # decompressed bytes not yet read
        self.size, self.checksum = 0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As in io.RawIOBase; raises BadZipFile if size or checksum differ from the archive's directory."""
        while not self.content and not self.inflater.eof:
            packed = self.file.read(min(PACKED_AT_ONCE, self.packed))
            self.packed -= len(packed)
            self._take(self.inflater.decompress(packed), is_last=not self.packed or not packed)
        content, self.content = self.content[: len(buffer)], self.content[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)

    def _take(self, content: bytes, is_last: bool) -> None:
        self.content = memoryview(content)
        self.size += len(content)
        self.checksum = isal_zlib.crc32(content, self.checksum)
        is_whole = self.inflater.eof and (self.size, self.checksum) == (self.info.file_size, self.info.CRC)
        if self.size > self.info.file_size or ((is_last or self.inflater.eof) and not is_whole):
            raise zipfile.BadZipFile(f"{self.info.filename} is not what the directory says")


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a member of an archive for reading; its checksum is verified while it is read.

    Raises
    ------
    UserError
        where the archive is incomplete, unsafe or encrypted, or does not have exactly one member of this name. It is
        also raised at the end of the block, if reading in it fails because the member is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = _find(archive, path, member)
            with archive.open(info) as stream:  # verifies the member's header
                if info.compress_type != zipfile.ZIP_DEFLATED or info.flag_bits & ENCRYPTED:
                    yield stream
                    return
            with path.open("rb") as file:
                yield io.BufferedReader(_Inflated(file, info))
    except (zipfile.BadZipFile, EOFError, zlib.error, IsalError) as error:  # type: ignore[misc] # its stub is wrong
        raise UserError(f"{path} is not a whole zip archive ({error}); fetch it again") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile raises these
        raise UserError(f"{path} is encrypted or packed in an unusual way ({error}); pack it with deflate") from error


def _find(archive: zipfile.ZipFile, path: Path, member: str) -> zipfile.ZipInfo:
    names = archive.namelist()
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise UserError(f"{path} has a member with the unsafe name '{name}'; fetch the archive from a better place")
    members = [info for info in archive.infolist() if info.filename == member]
    if not members:
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
        raise UserError(f"{path} has no member {member}; it has {shown}")
    if len(members) > 1:
        raise UserError(f"{path} has {len(members)} members named {member}; pack it again with one of them")
    if members[0].file_size > MOST_COMPRESSION * max(members[0].compress_size, 1000):
        raise UserError(
            f"{path}:{member} declares {members[0].file_size:,} bytes, packed in {members[0].compress_size:,}: "
            "no ratings compress like that; fetch the archive from a better place"
        )
    return members[0]
