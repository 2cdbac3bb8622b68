"""Opens files whatever packs them (gzip, bz2, zstd, lz4, a zip archive), and names what can't be read."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from isal import igzip, isal_zlib
from isal.igzip_lib import IsalError

from stages.run.errors import UserError

zipfile.crc32 = isal_zlib.crc32  # type: ignore[attr-defined]  # which takes much less time than zlib's

PIECE = 2**22  # bytes read at once
# Largest ratio of unpacked to packed size: ratings reach 3 to 6, a bomb 1,000.
MOST_COMPRESSION = 200
UNPACKED = ("gzip", "bz2", "zstd", "lz4")
KINDS = [
    (rb"\x1f\x8b", "gzip"),
    (rb"BZh[1-9]1AY&SY", "bz2"),
    (rb"\x28\xb5\x2f\xfd", "zstd"),
    (rb"\x04\x22\x4d\x18", "lz4"),
    (rb"PK\x03\x04.{26}(\[Content_Types\]|xl/|_rels/)", "an Excel workbook or another office file"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive"),
    (rb"\xfd7zXZ\0", "an xz file"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (rb"Rar!\x1a\x07", "a rar archive"),
    (rb".{257}ustar", "a tar archive"),
    (rb"PAR1[\0-\x1f]", "a Parquet file"),
    (rb"ARROW1\0|FEA1", "an Arrow or Feather file"),
    (rb"ORC[\0-\x1f]", "an ORC file"),
    (rb"Obj\x01", "an Avro file"),
    (rb"SQLite format 3\0", "an SQLite database"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x80[\x02-\x05]", "a Python pickle"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (rb"%PDF-", "a PDF"),
    (rb"\s*<(!doctype|html|\?xml)", "a web page or XML"),
    (rb"\xff\xfe|\xfe\xff|.{1,3}\0", "text in UTF-16 or UTF-32, or no text"),
]
"""How files begin, and what they are then; the first that matches counts."""


def kind_of(start: bytes) -> str | None:
    """What a file with these first bytes is; None if it may be plain text in UTF-8."""
    found = (kind for pattern, kind in KINDS if re.match(pattern, start, re.DOTALL | re.IGNORECASE))
    return next(found, None)


def pieces_of(path: Path, member: str | None = None) -> Iterator[bytes]:
    """The text of a file, or of a member of a zip archive, unpacked, in pieces.

    Raises
    ------
    UserError
        where the file is damaged, no text, packed twice, or unpacks to far more than a log would. Checksums of archives
        are verified while they are read, so the last piece may be followed by this error.
    """
    where = f"{path}:{member}" if member else str(path)
    with _open(path, member) as (stream, packed_size):
        size = 0
        while piece := stream.read(PIECE):
            if not size and (kind := kind_of(piece)):
                raise UserError(f"{where} is {kind}{' inside another packing' if packed_size else ''}; {_advice(kind)}")
            size += len(piece)
            if packed_size and size > MOST_COMPRESSION * max(packed_size, 1000):
                raise UserError(
                    f"{where} unpacks to more than {size:,} bytes from {packed_size:,}: no log compresses like that; "
                    "get the file from a better place"
                )
            if b"\0" in piece:
                raise UserError(
                    f"{where} has a NUL byte near byte {size - len(piece) + piece.index(0):,}, so it is damaged or no "
                    "text in UTF-8; get the whole file, or convert it"
                )
            yield piece


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """A stream of the unpacked file; and its packed size in bytes, 0 if it is not packed."""
    with path.open("rb") as file:
        kind = kind_of(file.read(2**12))
        file.seek(0)
        if member is None and kind not in UNPACKED:
            if kind == "a zip archive":
                raise UserError(
                    f"{path} is a zip archive of {_names(path)}; name one under format.member in params.yaml"
                )
            yield file, 0
            return
        if member is not None and kind != "a zip archive":
            raise UserError(
                f"{path} is no whole zip archive, so it has no {member}; put the whole archive there, or remove "
                "format.member in params.yaml"
            )
    try:
        if member is not None:
            with zipfile.ZipFile(path) as archive:
                info = _find(archive, path, member)
                with archive.open(info) as unzipped:
                    if info.compress_type == zipfile.ZIP_DEFLATED:
                        fast: Any = unzipped  # Intel's ISA-L is several times faster than zlib
                        fast._decompressor = isal_zlib.decompressobj(-zlib.MAX_WBITS)
                    yield unzipped, info.compress_size
        elif kind == "gzip":
            with igzip.open(path, "rb") as unzipped:
                yield unzipped, path.stat().st_size
        else:
            with pa.input_stream(str(path), compression=kind) as unzipped:
                yield unzipped, path.stat().st_size
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, IsalError) as error:  # type: ignore[misc] # its stub
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is cut short or damaged ({reason}); put the whole file there") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile raises these
        raise UserError(f"{path} is encrypted or packed in an unusual way ({error}); pack it with deflate") from error


def _find(archive: zipfile.ZipFile, path: Path, member: str) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if info.filename == member]
    if len(found) != 1:
        raise UserError(
            f"{path} has {len(found) or 'no'} members named {member}; it has {_names(path)}: correct format.member in "
            "params.yaml"
        )
    return found[0]


def _names(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is cut short or damaged ({error}); put the whole file there") from error
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")


def _advice(kind: str) -> str:
    if "Parquet" in kind:
        return "write kind: parquet under format in params.yaml"
    if "UTF-16" in kind:
        return "convert it to UTF-8, for example: iconv -f UTF-16 -t UTF-8"
    if kind in UNPACKED or "archive" in kind or "xz" in kind:
        return "unpack it; plain text, gzip, bz2, zstd and lz4 can be read, and a file inside a zip archive"
    return "save it as CSV in UTF-8"
