"""Bytes against accuracy: which rows are worth their bytes."""

from collections.abc import Iterable, Mapping
from itertools import groupby

import numpy as np
import pandas as pd

from stages.config import quantizer as quantizer_schema
from stages.config.params import Params
from stages.reporting.comparisons import NDCG, Comparison
from stages.reporting.results import RowResult
from stages.statistics.bootstrap import Bootstrap

FRONT, TIE, BEHIND = "front", "tie", ""


def standings(rows: list[RowResult], bootstrap: Bootstrap) -> dict[str, str]:
    """Where each row stands.

    Returns
    -------
    row → FRONT: no row of as many bytes or fewer has a higher mean NDCG@100; TIE: as many bytes as a row of the front,
    and not surely worse by the paired test; BEHIND
    """
    found = {row.name: BEHIND for row in rows}
    best = float("-inf")
    ordered = sorted(rows, key=lambda row: (row.bytes_per_user, -row.mean(NDCG)))
    for _, group in groupby(ordered, key=lambda row: row.bytes_per_user):
        first, *others = group
        if first.mean(NDCG) <= best:
            continue
        best = first.mean(NDCG)
        found[first.name] = FRONT
        for other in others:
            if bootstrap.difference(first.values(NDCG), other.values(NDCG)).low <= 0:
                found[other.name] = TIE
    return found


def all_rows(rows: list[RowResult], comparisons: Mapping[str, Comparison], standing: Mapping[str, str]) -> pd.DataFrame:
    """All that is drawn, tabulated and advised by, a line per row, by falling bytes."""
    lines = []
    for row in sorted(rows, key=lambda row: (-row.bytes_per_user, -row.mean(NDCG))):
        kept = comparisons[row.name].kept
        lines.append(
            {
                "row": row.name,
                "family": row.family,
                "stored": row.stored,
                "bytes_per_user": row.bytes_per_user,
                "shared_bytes": row.shared_bytes,
                NDCG: row.mean(NDCG),
                "standard_error": row.standard_error(NDCG),
                "kept": kept.value if kept else None,
                "kept_low": kept.low if kept else None,
                "kept_high": kept.high if kept else None,
                "recall@20": row.mean("recall@20"),
                "recall@50": row.mean("recall@50"),
                "precision@20": row.mean("precision@20"),
                "f1@20": row.mean("f1@20"),
                "variance_lost": row.variance_lost,
                "fit_seconds": row.fit_seconds,
                "encode_us": row.encode_us,
                "decode_us": row.decode_us,
                "standing": standing.get(row.name, BEHIND),
            }
        )
    return pd.DataFrame(lines)


def frontier_table(table: pd.DataFrame) -> pd.DataFrame:
    """The same for people."""
    marks = {FRONT: "●", TIE: "○", BEHIND: ""}
    return pd.DataFrame(
        {
            "row": table["row"].map("`{}`".format),
            "": table["standing"].map(marks),
            "bytes": table["bytes_per_user"].map(_short),
            "shared": table["shared_bytes"].map(_kilobytes),
            "NDCG@100": table[NDCG].map("{:.4f}".format),
            "kept of float": table["kept"].map("{:.1%}".format, na_action="ignore").fillna("–"),
            "Recall@20": table["recall@20"].map("{:.4f}".format),
            "Recall@50": table["recall@50"].map("{:.4f}".format),
            "Precision@20": table["precision@20"].map("{:.4f}".format),
            "F1@20": table["f1@20"].map("{:.4f}".format),
            "variance lost": table["variance_lost"].map("{:.1%}".format, na_action="ignore").fillna("–"),
            "fit": table["fit_seconds"].map("{:.2f} s".format, na_action="ignore").fillna("–"),
            "encode": table["encode_us"].map("{:.2f} µs".format),
            "decode": table["decode_us"].map("{:.2f} µs".format),
        }
    )


def item_table(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of quantized item tables, for people."""
    marks = {FRONT: "●", TIE: "○", BEHIND: ""}
    if table.empty:
        return table
    return pd.DataFrame(
        {
            "row": table["row"].map("`{}`".format),
            "": table["standing"].map(marks),
            "stored per item": table["stored"],
            "bytes": table["bytes_per_item"].map(_short),
            "shared": table["shared_bytes"].map(_kilobytes),
            "NDCG@100": table[NDCG].map("{:.4f}".format),
            "kept of float (95 % CI)": [
                "–" if pd.isna(kept) else f"{kept:.1%} ({low * 100:.1f}–{high * 100:.1f})"
                for kept, low, high in zip(table["kept"], table["kept_low"], table["kept_high"], strict=True)
            ],
            "variance lost": table["variance_lost"].map("{:.1%}".format),
            "fit": table["fit_seconds"].map("{:.2f} s".format, na_action="ignore").fillna("–"),
        }
    )


def codebook_sizes(params: Params, rows: Iterable[RowResult]) -> pd.DataFrame:
    """Of the k-means of whole vectors: row (without its size), size, variance_lost, ndcg@100, by size."""
    by_name = {row.name: row for row in rows}
    lines = [
        {"row": row.base, "size": int(str(row.form)[1:]), "variance_lost": found.variance_lost, NDCG: found.mean(NDCG)}
        for row in params.rows()
        if row.quantizer and isinstance(params.quantizers[row.quantizer], quantizer_schema.KMeans)
        for found in [by_name[row.name]]
    ]
    table = pd.DataFrame(lines, columns=["row", "size", "variance_lost", NDCG])
    return table.sort_values(["row", "size"], ignore_index=True)


def knee_of(table: pd.DataFrame) -> int:
    """The size whose loss is farthest below the straight line from the first to the last, over its logarithm.

    Kneedle (Satopää et al. 2011) without smoothing: both axes from 0 to 1. The smallest size where there are not three.

    Parameters
    ----------
    table : columns size and variance_lost, by rising size
    """
    sizes, lost = table["size"].to_numpy(), table["variance_lost"].to_numpy()
    if len(sizes) < 3 or lost[0] <= lost[-1]:
        return int(sizes[0])
    along = np.log(sizes / sizes[0]) / np.log(sizes[-1] / sizes[0])
    fallen = (lost[0] - lost) / (lost[0] - lost[-1])
    return int(sizes[np.argmax(fallen - along)])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _kilobytes(value: float) -> str:
    if value < 1000:
        return f"{value:,.0f} B"
    return f"{value / 1e3:,.1f} kB" if value < 10_000 else f"{value / 1e3:,.0f} kB"
