"""A cut date: what is before it, and what is from it on."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from stages.run.errors import UserError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_before(timestamp: np.ndarray, cut: str | float) -> np.ndarray:
    """Whether each rating is before the cut, bool (n_ratings,).

    Parameters
    ----------
    timestamp : datetime64[ns] (n_ratings,), int64 or float64
    cut : for dates a date by ISO 8601, in UTC unless it names another zone; for numbers a number of the same unit

    Raises
    ------
    UserError
        where one is a date and the other a number, or all ratings are on one side of the cut.
    """
    if not len(timestamp):
        return np.empty(0, dtype=bool)
    dates = timestamp.dtype.kind == "M"
    values = timestamp.view(np.int64) if dates else timestamp
    limit: float
    if isinstance(cut, str):
        since_1970 = _moment(cut) - EPOCH
        if not dates:
            raise UserError(
                f"split.cut is the date {cut}, but timestamps are numbers, such as {values[0]}; write a number of "
                f"their unit in params.yaml: {since_1970 // timedelta(seconds=1)}, if they are seconds since 1970"
            )
        limit = since_1970 // timedelta(microseconds=1) * 1000
    elif dates:
        raise UserError(
            f"split.cut is the number {cut}, but timestamps are dates, such as {timestamp[0]}; write a date in "
            "params.yaml, such as '2026-10-01'"
        )
    else:
        # Compared as integers, or in 64 bits: nothing is rounded.
        limit = math.ceil(cut) if values.dtype.kind == "i" else np.float64(cut)
    before: np.ndarray = values < limit
    for side, some in (("before", before.any()), ("on or after", not before.all())):
        if not some:
            raise UserError(
                f"no rating that counts is {side} split.cut ({cut}), as they are from {timestamp.min()} to "
                f"{timestamp.max()}; set another cut in params.yaml"
            )
    return before


def _moment(date: str) -> datetime:
    moment = datetime.fromisoformat(date)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
