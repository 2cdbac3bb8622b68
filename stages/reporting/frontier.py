"""Bytes against accuracy: which rows are worth their bytes."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from math import nan

import numpy as np
import pandas as pd

from stages.reporting.csv_files import Columns
from stages.reporting.results import NDCG, RowResult
from stages.statistics.bootstrap import UNKNOWN, Bootstrap, Interval

FRONT, TIE, BEHIND = "front", "tie", ""
MARKS = {FRONT: "●", TIE: "○", BEHIND: ""}
# Columns of `frontier_table`; between these two groups it has a column per metric.
BEFORE = ["row", "family", "stored", "float_twin", "nearest_twin"]
BEFORE += ["bytes_per_user", "shared_bytes", "users", "validation_ndcg"]
INTERVALS = [
    f"{name}{end}" for name in ("difference", "kept", "above_popularity") for end in ("", "_low", "_high")
]  # against the float twin
AFTER = ["standard_error", "seed_spread", *INTERVALS, "variance_lost", "standing", "repeats"]
TEXT = ("row", "family", "stored", "float_twin", "nearest_twin", "standing", "repeats")
COLUMNS = Columns(
    TEXT,
    ("bytes_per_user", "shared_bytes", "users", NDCG),
    ("validation_ndcg", "standard_error", "seed_spread", *INTERVALS, "variance_lost"),
)
POPULARITY = "popularity"  # the row above which shares are counted


def standings(rows: Iterable[RowResult], bootstrap: Bootstrap) -> dict[str, str]:
    """Where each row stands.

    Returns
    -------
    row → FRONT: no row of as many bytes or fewer has a higher mean NDCG@100; TIE: as many bytes as a row of the front,
    and the difference to it is not significant; BEHIND
    """
    ordered = sorted(rows, key=lambda row: (row.bytes_per_user, -row.mean(NDCG)))
    standing = {row.name: BEHIND for row in ordered}
    best = float("-inf")
    for _, group in groupby(ordered, key=lambda row: row.bytes_per_user):
        first, *others = group
        if first.mean(NDCG) <= best:
            continue
        best = first.mean(NDCG)
        standing[first.name] = FRONT
        for other in others:
            if not bootstrap.difference(first.ndcg, other.ndcg).low > 0:
                standing[other.name] = TIE
    return standing


def frontier_table(
    rows: Sequence[RowResult], metrics: Collection[str], bootstrap: Bootstrap, popularity: RowResult | None = None
) -> pd.DataFrame:
    """All that is drawn, tabulated and advised by, a line per row, in the order of the rows.

    Parameters
    ----------
    metrics : columns of each row's `per_user`
    popularity : the row of that name, where it is not one of the rows

    Returns
    -------
    DataFrame with columns row, family, stored, float_twin and nearest_twin (both empty where there is none),
    bytes_per_user, shared_bytes, users (test users), validation_ndcg (NDCG@100 on the validation users), a column per
    metric (its mean over users and seeds), standard_error (of NDCG@100 over users) and seed_spread (of NDCG@100:
    standard deviation between seeds), NaN where there is one; of NDCG@100 against the float twin, each with its 95 %
    interval and NaN where there is no twin: difference, kept (as a share), above_popularity (what both have above the
    row of popularity, as a share); and variance_lost (NaN where histories are stored), standing (empty for a row that
    stores nothing), repeats (a row of fewer bytes and the same codec that is equal for every user and seed; empty for
    none)
    """
    standing = standings([row for row in rows if row.bytes_per_user > 0], bootstrap)
    by_name = {row.name: row for row in rows}
    popularity = by_name.get(POPULARITY, popularity)
    lines = []
    for row in rows:
        twin = by_name.get(row.float_twin or "")
        intervals = _against(twin, row, popularity, bootstrap)
        lines.append(
            {
                "row": row.name,
                "family": row.family,
                "stored": row.stored,
                "float_twin": twin.name if twin else "",
                "nearest_twin": row.nearest_twin or "",
                "bytes_per_user": row.bytes_per_user,
                "shared_bytes": row.shared_bytes,
                "users": len(row.per_user),
                "validation_ndcg": nan if row.validation_ndcg is None else row.validation_ndcg,
                **{metric: row.mean(metric) for metric in metrics},
                "standard_error": nan if row.standard_error is None else row.standard_error,
                "seed_spread": nan if row.spread is None else row.spread,
                **dict(zip(INTERVALS, [end for interval in intervals for end in interval], strict=True)),
                "variance_lost": nan if row.variance_lost is None else row.variance_lost,
                "standing": standing.get(row.name, BEHIND),
                "repeats": _repeated(row, rows),
            }
        )
    return pd.DataFrame(lines, columns=[*BEFORE, *metrics, *AFTER])


def _against(
    twin: RowResult | None, row: RowResult, popularity: RowResult | None, bootstrap: Bootstrap
) -> tuple[Interval, Interval, Interval]:
    """Difference to the twin, share of it, and share of what it has above popularity."""
    if twin is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    above = bootstrap.share_above(row.ndcg, twin.ndcg, popularity.ndcg) if popularity else UNKNOWN
    return bootstrap.difference(row.ndcg, twin.ndcg), bootstrap.share(row.ndcg, twin.ndcg), above


def _repeated(row: RowResult, rows: Sequence[RowResult]) -> str:
    """The row of the same codec and the fewest bytes that ranks every user alike, where it has fewer than this row."""
    alike = [
        other
        for other in rows
        if other.base == row.base
        and other.bytes_per_user <= row.bytes_per_user
        and np.array_equal(other.ndcg, row.ndcg)
    ]
    fewest = min(alike, key=lambda other: other.bytes_per_user)
    return fewest.name if fewest.bytes_per_user < row.bytes_per_user else ""


def by_bytes(table: pd.DataFrame, size: str = "bytes_per_user") -> pd.DataFrame:
    """The lines of a `frontier_table` from the most bytes to the fewest, the most accurate first among equals."""
    return table.sort_values([size, NDCG], ascending=False, ignore_index=True)
