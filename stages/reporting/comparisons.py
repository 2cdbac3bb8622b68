"""What a row keeps of its float twin, and what it gains over quantizing that after training."""

from collections.abc import Iterable
from typing import NamedTuple

from stages.reporting.results import RowResult
from stages.statistics.bootstrap import Bootstrap, Interval

NDCG = "ndcg@100"


class Comparison(NamedTuple):
    """A row against its twins, paired by user."""

    kept: Interval | None
    """Share of the float twin's NDCG@100."""
    gain: Interval | None
    """NDCG@100 more than the post-hoc twin."""


def compare_with_twins(rows: Iterable[RowResult], bootstrap: Bootstrap) -> dict[str, Comparison]:
    """Each row's comparison, by its name."""
    by_name = {row.name: row for row in rows}
    comparisons = {}
    for row in by_name.values():
        twin, post_hoc = by_name.get(row.float_twin or ""), by_name.get(row.post_hoc_twin or "")
        comparisons[row.name] = Comparison(
            bootstrap.share(row.values(NDCG), twin.values(NDCG)) if twin else None,
            bootstrap.difference(row.values(NDCG), post_hoc.values(NDCG)) if post_hoc else None,
        )
    return comparisons
