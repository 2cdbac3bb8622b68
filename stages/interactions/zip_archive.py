"""Reading from inside a zip archive, which is never unpacked."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from stages.errors import UserError

# A member may declare this many times its compressed size: ratings compress 3 to 6 times, a bomb 1,000 times.
MOST_COMPRESSION = 200


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """Open a member of an archive; its checksum is checked as it is read.

    Raises
    ------
    UserError
        where the archive is not whole, is not to be trusted, or does not have the member just once. Also out of the
        block, where what is read turns out to be damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_find(archive, path, member)) as stream:
            yield stream
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole zip archive ({error}); fetch it again") from error
    except (NotImplementedError, RuntimeError) as error:  # how zipfile says so
        raise UserError(f"{path} is encrypted or packed in an unusual way ({error}); pack it with deflate") from error


def _find(archive: zipfile.ZipFile, path: Path, member: str) -> zipfile.ZipInfo:
    names = archive.namelist()
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise UserError(f"{path} has a member with the unsafe name '{name}'; fetch the archive from a better place")
    found = [info for info in archive.infolist() if info.filename == member]
    if not found:
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
        raise UserError(f"{path} has no member {member}; it has {shown}")
    if len(found) > 1:
        raise UserError(f"{path} has {len(found)} members named {member}; pack it again with one of them")
    if found[0].file_size > MOST_COMPRESSION * max(found[0].compress_size, 1000):
        raise UserError(
            f"{path}:{member} declares {found[0].file_size:,} bytes, packed in {found[0].compress_size:,}: "
            "no ratings compress like that; fetch the archive from a better place"
        )
    return found[0]
