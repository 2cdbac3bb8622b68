"""Checks of the values of ratings, for all file formats."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa


def find_bad_value(batch: pa.RecordBatch, columns: Mapping[str, str | int]) -> tuple[str, int] | None:
    """The problem of the first invalid value, and its row from 1; None if all values are valid.

    Parameters
    ----------
    batch : columns user and item, and optionally rating (float64) and timestamp (integers)
    columns : our name → the file's name for the column, or its position from 1
    """
    is_bad = [(batch[name].is_null(), f"nothing under '{columns[name]}'") for name in columns if batch[name].null_count]
    if "rating" in columns and len(batch):
        rating, column = np.from_dlpack(batch["rating"].fill_null(0.0)), columns["rating"]
        if not (rating.min() >= 0 and rating.max() < np.inf):  # also true for NaN
            is_bad.append((pa.array(~np.isfinite(rating)), f"the rating under '{column}' is no finite number"))
            is_bad.append((pa.array(rating < 0), f"the rating under '{column}' is negative"))
    if all(pa.types.is_string(batch[name].type) for name in ("user", "item")):  # a second header would become a user
        import pyarrow.compute as pc  # slow to import, and rarely needed

        user, item = (pc.equal(batch[name], str(columns[name])) for name in ("user", "item"))
        is_bad.append((pc.and_(user, item), "a second header"))
    first_rows = [(bad.index(True).as_py() + 1, problem) for bad, problem in is_bad]
    row, problem = min(((row, problem) for row, problem in first_rows if row), default=(0, ""))
    return (problem, row) if row else None
