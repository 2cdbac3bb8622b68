"""Users' codes as Parquet parts: part-00000.parquet and so on, in one folder.

Columns: `user` (int64 or text), `code` (bytes; null for a user without a known item), `known` and `unknown` (int32,
different items of the history). The schema's metadata says of which package the codes are, and of which rows of which
histories, so that a folder of parts shows whether it is whole.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.run.errors import UserError, quoted
from stages.run.files import whole_file
from stages.serving.ids import as_ids

PATTERN = f"part-{'[0-9]' * 5}.parquet"
AGAIN = "encode its users again"


class Codes(NamedTuple):
    """Users and their codes."""

    users: pa.Array
    """int64 or large_string (n,)."""
    codes: np.ndarray
    """uint8 (n, n_bytes); zeros for a user without a code."""
    has_code: np.ndarray
    """bool (n,): whether the package knows an item of the history."""


class Origin(NamedTuple):
    """What a part was made from."""

    package: str
    """Digest of the package."""
    histories: str
    """Digest of the histories."""
    start: int
    stop: int
    """Rows of the histories."""
    last: bool
    """Whether they end there."""
    files: str = ""
    """Digest of those that hold these rows; empty where only all histories are known."""

    def metadata(self) -> dict[str, str]:
        """Of the schema."""
        said = {name: str(value) for name, value in self._asdict().items()}
        return said if self.files else {name: value for name, value in said.items() if name != "files"}

    def of_same_rows(self) -> "Origin":
        """What a part has in common with another one of the same rows, whatever the other histories are."""
        return self._replace(histories="", last=False)


def read_origin(metadata: dict[bytes, bytes] | None) -> Origin:
    """From the schema; ValueError where it is none."""
    said = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in (metadata or {}).items()}
    try:
        return Origin(
            said["package"],
            said["histories"],
            int(said["start"]),
            int(said["stop"]),
            {"True": True, "False": False}[said["last"]],
            said.get("files", ""),
        )
    except KeyError as error:
        raise ValueError("it does not say of which histories it is") from error


def part(folder: Path, number: int) -> Path:
    """Path of a part."""
    return folder / f"part-{number:05}.parquet"


def write_part(path: Path, codes: Codes, known: np.ndarray, unknown: np.ndarray, origin: Origin) -> None:
    """Write a part, whole or not at all; UserError where it can't be written."""
    n_users, n_bytes = codes.codes.shape
    bits = pa.array(codes.has_code).buffers()[1]
    raw = pa.py_buffer(np.where(codes.has_code[:, None], codes.codes, 0).astype(np.uint8).tobytes())
    table = pa.table(
        {
            "user": codes.users if pa.types.is_integer(codes.users.type) else codes.users.cast(pa.string()),
            "code": pa.Array.from_buffers(pa.binary(n_bytes), n_users, [bits, raw]),
            "known": pa.array(known, pa.int32()),
            "unknown": pa.array(unknown, pa.int32()),
        }
    ).replace_schema_metadata(origin.metadata())
    write_table(path, table)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table, whole or not at all; UserError where it can't be written."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True, compression="zstd")


def read_part(path: Path) -> tuple[Codes, Origin]:
    """Read a part; UserError where it is missing, damaged or no part."""
    if not path.is_file():
        raise UserError(f"there is no {path}; {AGAIN}")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if "code" not in file.schema_arrow.names:
                raise ValueError("it has no column code")
            table, origin = file.read(["user", "code"]).combine_chunks(), read_origin(file.schema_arrow.metadata)
        users, column = (table[name].combine_chunks() for name in ("user", "code"))
        if not pa.types.is_fixed_size_binary(column.type):
            raise TypeError(f"codes of type {column.type}")
        has_code = column.is_valid().to_numpy(zero_copy_only=False)
        raw = np.frombuffer(column.buffers()[1] or b"", np.uint8)[: len(column) * column.type.byte_width]
        codes = raw.reshape(len(column), column.type.byte_width)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is no part of codes, or damaged ({quoted(str(error))}); {AGAIN}") from error
    return Codes(as_ids(users, f"users of {path}"), codes, has_code), origin


def read_codes(folder: Path) -> tuple[Codes, str]:
    """All users of a folder, which is read into memory (8 bytes per user or its text, and the code), and their package.

    Raises
    ------
    UserError
        where the folder is not whole, or holds parts of several packages or histories.
    """
    paths = sorted(folder.glob(PATTERN))
    if not paths:
        raise UserError(f"there are no codes (part-00000.parquet) in {folder}; {AGAIN}")
    first, package, histories = 0, "", ""
    parts: list[Codes] = []
    for number, path in enumerate(paths):
        if path != part(folder, number):
            raise UserError(f"{folder} is not whole: {part(folder, number).name} is missing; {AGAIN}")
        codes, origin = read_part(path)
        if origin.package != (package := package or origin.package):
            raise UserError(
                f"{path} holds codes of the package {origin.package}, and the part before it of {package}; codes of "
                f"two packages never mix: {AGAIN}"
            )
        if path == paths[-1] and not origin.last:
            raise UserError(f"{folder} is not whole: {part(folder, number + 1).name} is missing; {AGAIN}")
        belongs = (origin.start, origin.last) == (first, path == paths[-1])
        belongs &= not parts or codes.users.type == parts[0].users.type
        if not belongs or origin.histories != (histories := histories or origin.histories):
            raise UserError(f"{folder} is not whole: {path.name} is not the part that belongs there; {AGAIN}")
        first = origin.stop
        parts.append(codes)
    users, codes_of, has_code = zip(*parts, strict=True)
    return Codes(pa.concat_arrays(users), np.concatenate(codes_of), np.concatenate(has_code)), package
