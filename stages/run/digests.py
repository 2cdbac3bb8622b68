"""Digests of the files of a finished folder, by which a reader knows that a file is still as its stage wrote it."""

import hashlib
import json
from pathlib import Path
from typing import BinaryIO

from stages.run.errors import UserError

DIGESTS = "digests.json"


def write_digests(folder: Path, name: str) -> None:
    """Write digests.json: the SHA-256 of every file below the folder.

    Parameters
    ----------
    name : name that the folder gets in the end; it begins every key, so that folders that change places are noticed
    """
    below = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / DIGESTS)
    digests = {f"{name}/{path.relative_to(folder).as_posix()}": _sha256(path) for path in below}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def checked(path: Path, stage: str) -> BinaryIO:
    """Open a file to read, after a check of its bytes by the nearest digests.json above it.

    Parameters
    ----------
    stage : stage that writes this file, for error messages

    Raises
    ------
    UserError
        where the file is missing, no file at all, or not the one of which digests.json holds the digest.
    """
    if not path.exists():
        raise UserError(f"there is no {path}; run the stage {stage} first")
    if not path.is_file():  # to open a pipe would wait for its other end
        raise damaged(path, "is no file", stage)
    folder = next((above for above in path.parents if (above / DIGESTS).is_file()), None)
    if folder is None:
        raise UserError(f"{path} has no {DIGESTS} beside it, by which damage shows; run the stage {stage} again")
    try:
        digests = json.loads((folder / DIGESTS).read_bytes())
        expected = digests[f"{folder.absolute().name}/{path.relative_to(folder).as_posix()}"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise damaged(folder / DIGESTS, f"does not hold the digest of {path.name}", stage) from error
    file = path.open("rb")
    # The file that was checked is the one that is read, even if another takes its place meanwhile.
    if hashlib.file_digest(file, "sha256").hexdigest() != expected:
        file.close()
        raise damaged(path, f"is not as the stage {stage} wrote it", stage)
    file.seek(0)
    return file


def damaged(path: Path, what: str, stage: str) -> UserError:
    """The error for a file that is not as it should be; what : what is wrong, such as "is no table"."""
    return UserError(f"{path} {what}; remove it and run the stage {stage} again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
