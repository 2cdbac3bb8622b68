"""Ratings as published, read from inside the archive."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from stages.errors import UserError

# MovieLens since 2014 (ml-20m, ml-latest-small): our name, theirs, type.
COLUMNS = [
    ("user", "userId", pa.int64()),
    ("item", "movieId", pa.int64()),
    ("rating", "rating", pa.float64()),
    ("timestamp", "timestamp", pa.int64()),
]


def read_ratings(archive: Path, member: str) -> pd.DataFrame:
    """Read a MovieLens `ratings.csv` from inside a zip archive, which is never unpacked.

    Where a user rated an item more than once, the last one by timestamp counts, in its place in the file.

    Returns
    -------
    DataFrame with columns user, item, timestamp : int64 and rating : float64, in file order

    Raises
    ------
    UserError
        where the archive is not whole or has no such member, or the member is empty, lacks a column, or holds
        something that is no number; with the line where there is one.
    """
    where = f"{archive}:{member}"
    try:
        with zipfile.ZipFile(archive) as opened:
            if member not in opened.namelist():
                raise UserError(f"{archive} has no member {member}; it has {', '.join(opened.namelist())}")
            _check_header(opened, member, where)
            table = _read_csv(opened, member, where)
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{archive} is not a whole zip archive ({error}); fetch it again") from error
    _check_values(table, where)
    ratings = table.rename_columns([name for name, _, _ in COLUMNS]).to_pandas()
    return _last_of_duplicates(ratings)


def _check_header(archive: zipfile.ZipFile, member: str, where: str) -> None:
    with archive.open(member) as stream:
        header = stream.readline().decode("utf-8-sig", errors="replace").strip()
    if not header:
        raise UserError(f"{where} is empty")
    found = [column.strip('"') for column in header.split(",")]
    for _, column, _ in COLUMNS:
        if found.count(column) != 1:
            raise UserError(f"{where}: column '{column}' is there {found.count(column)} times, not once: {header}")


def _read_csv(archive: zipfile.ZipFile, member: str, where: str, threads: bool = True) -> pa.Table:
    types = {column: dtype for _, column, dtype in COLUMNS}
    convert = pa.csv.ConvertOptions(column_types=types, include_columns=list(types))
    try:
        with archive.open(member) as stream:
            read = pa.csv.ReadOptions(use_threads=threads)
            return pa.csv.read_csv(stream, read_options=read, convert_options=convert)
    except pa.ArrowInvalid as error:
        if threads:  # only the reader without threads knows the row
            return _read_csv(archive, member, where, threads=False)
        raise UserError(f"{where}: {' '.join(str(error).split())} (rows count from 1, the header)") from error


def _check_values(table: pa.Table, where: str) -> None:
    if table.num_rows == 0:
        raise UserError(f"{where} has a header but no ratings")
    for _, column, _ in COLUMNS:
        values = table[column].to_numpy()
        wrong = ~np.isfinite(values)  # an empty field reads as NaN
        if wrong.any():
            raise UserError(f"{where}: line {int(wrong.argmax()) + 2} has no number under '{column}'")


def _last_of_duplicates(ratings: pd.DataFrame) -> pd.DataFrame:
    if not ratings.duplicated(["user", "item"]).any():
        return ratings
    by_time = ratings.sort_values("timestamp", kind="stable")
    return by_time.drop_duplicates(["user", "item"], keep="last").sort_index().reset_index(drop=True)
