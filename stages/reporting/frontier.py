"""Bytes against accuracy: which rows are worth their bytes."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from math import nan

import pandas as pd

from stages.reporting.results import NDCG, RowResult
from stages.statistics.bootstrap import Bootstrap, Interval

FRONT, TIE, BEHIND = "front", "tie", ""
MARKS = {FRONT: "●", TIE: "○", BEHIND: ""}
# Columns of `frontier_table`; between these two groups it has a column per metric.
BEFORE = ["row", "family", "stored", "float_twin", "bytes_per_user", "shared_bytes", "users"]
AFTER = ["standard_error", "seed_spread", "kept", "kept_low", "kept_high", "variance_lost", "standing"]
TEXT = ("row", "family", "stored", "float_twin", "standing")


def standings(rows: Iterable[RowResult], bootstrap: Bootstrap) -> dict[str, str]:
    """Where each row stands.

    Returns
    -------
    row → FRONT: no row of as many bytes or fewer has a higher mean NDCG@100; TIE: as many bytes as a row of the front,
    and not surely worse by the paired test; BEHIND
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
            if bootstrap.difference(first.values(NDCG), other.values(NDCG)).low <= 0:
                standing[other.name] = TIE
    return standing


def frontier_table(rows: Sequence[RowResult], metrics: Collection[str], bootstrap: Bootstrap) -> pd.DataFrame:
    """All that is drawn, tabulated and advised by, a line per row, in the order of the rows.

    Parameters
    ----------
    metrics : columns of each row's `per_user`

    Returns
    -------
    DataFrame with columns row, family, stored, float_twin (empty where there is none), bytes_per_user, shared_bytes,
    users (test users), a column per metric (its mean over users and seeds), standard_error (of NDCG@100 over users),
    seed_spread (of NDCG@100: standard deviation between seeds, NaN where there is one), kept, kept_low and kept_high
    (share of the float twin's NDCG@100 with its 95 % interval, NaN where there is no twin), variance_lost (NaN where
    histories are stored), standing (empty for a row that stores nothing)
    """
    standing = standings([row for row in rows if row.bytes_per_user > 0], bootstrap)
    by_name = {row.name: row for row in rows}
    lines = []
    for row in rows:
        twin, spread = by_name.get(row.float_twin or ""), row.spread(NDCG)
        kept = bootstrap.share(row.values(NDCG), twin.values(NDCG)) if twin else Interval(nan, nan, nan)
        lines.append(
            {
                "row": row.name,
                "family": row.family,
                "stored": row.stored,
                "float_twin": twin.name if twin else "",
                "bytes_per_user": row.bytes_per_user,
                "shared_bytes": row.shared_bytes,
                "users": len(row.per_user),
                **{metric: row.mean(metric) for metric in metrics},
                "standard_error": row.standard_error(NDCG),
                "seed_spread": nan if spread is None else spread,
                "kept": kept.value,
                "kept_low": kept.low,
                "kept_high": kept.high,
                "variance_lost": nan if row.variance_lost is None else row.variance_lost,
                "standing": standing.get(row.name, BEHIND),
            }
        )
    return pd.DataFrame(lines, columns=[*BEFORE, *metrics, *AFTER])


def by_bytes(table: pd.DataFrame, size: str = "bytes_per_user") -> pd.DataFrame:
    """The lines of a `frontier_table` from the most bytes to the fewest, the most accurate first among equals."""
    return table.sort_values([size, NDCG], ascending=False, ignore_index=True)
