"""A cut date: what is before it, and what is from it on."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from stages.run.errors import UserError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_not_before(cut: str | float, timestamps: np.ndarray) -> int | np.float64:
    """The number from which on timestamps are not before the cut; of dates it counts nanoseconds since 1970.

    Parameters
    ----------
    cut : for dates a date by ISO 8601, in UTC unless it names another zone; for numbers a number of the same unit
    timestamps : datetime64[ns], int64 or float64, with the earliest and the latest of all

    Raises
    ------
    UserError
        where one is a date and the other a number, or all ratings are on one side of the cut.
    """
    earliest, latest, dates = timestamps.min(), timestamps.max(), timestamps.dtype.kind == "M"
    limit: int | np.float64
    if isinstance(cut, str):
        since_1970 = _moment(cut) - EPOCH
        if not dates:
            raise UserError(
                f"split.cut is the date {cut}, but timestamps are numbers, such as {earliest}; write a number of "
                f"their unit in params.yaml: {since_1970 // timedelta(seconds=1)}, if they are seconds since 1970"
            )
        limit = since_1970 // timedelta(microseconds=1) * 1000
    elif dates:
        raise UserError(
            f"split.cut is the number {cut}, but timestamps are dates, such as {earliest}; write a date in "
            "params.yaml, such as '2026-10-01'"
        )
    else:
        # Compared as integers, or in 64 bits: nothing is rounded.
        limit = math.ceil(cut) if timestamps.dtype.kind == "i" else np.float64(cut)
    before = is_before(timestamps, limit)
    for side, some in (("before", before.any()), ("on or after", not before.all())):
        if not some:
            raise UserError(
                f"no rating that counts is {side} split.cut ({cut}), as they are from {earliest} to {latest}; set "
                "another cut in params.yaml"
            )
    return limit


def is_before(timestamps: np.ndarray, limit: int | np.float64) -> np.ndarray:
    """Whether each timestamp is before the cut, bool; limit : result of `first_not_before`."""
    values = timestamps.view(np.int64) if timestamps.dtype.kind == "M" else timestamps
    before: np.ndarray = values < limit
    return before


def _moment(date: str) -> datetime:
    moment = datetime.fromisoformat(date)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
