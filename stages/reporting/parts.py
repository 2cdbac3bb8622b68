"""What fit, search and training buy, each by rows that differ in it alone."""

from collections.abc import Iterable, Sequence

import pandas as pd

from stages.config.strict import CHOSEN_BY, Encoder
from stages.reporting.csv_files import Columns
from stages.reporting.results import Results, RowResult
from stages.reporting.wording import number_of_bytes, verdict

COLUMNS = Columns(("part", "encoder", "sizes"), ("pairs",), ("difference", "low", "high"), may_be_empty=True)
FIT, SEARCH, TRAINING = "fit", "search", "training"
NEAREST: Encoder = "nearest"

Pair = tuple[RowResult, RowResult]


def parts_table(results: Results) -> pd.DataFrame:
    """The mean difference of NDCG@100 of each part's pairs of rows, paired by user and seed.

    Returns
    -------
    DataFrame with columns part, encoder (how the codes of both rows are chosen; of search, those of the first), sizes
    (bytes per user of each pair, in words), pairs (their number), and difference with its 95 % interval:

    - fit: residual codes against PQ of as many bytes, both fitted after training, and both the nearest;
    - search: codes chosen by scores against the nearest ones of the same codebooks, fitted after training;
    - training: codes learnt in training against those fitted after it, chosen in the same way; the nearest of the same
      codebooks whose codes are chosen by scores as well, or of all where there are none.
    """
    by_name = {row.name: row for row in results.rows}
    fit = _pairs(by_name, ((row, row.plain_twin) for row in results.rows if row.encoder == NEAREST))
    of_one_fit = list({plain.name: (row, plain) for row, plain in reversed(fit)}.values())[::-1]  # the first of several
    search = _pairs(by_name, ((row, row.nearest_twin) for row in results.rows if row.family != "trained"))
    training = _pairs(by_name, ((row, row.post_hoc_twin) for row in results.rows))
    guided = {row.nearest_twin for row, _ in training if row.nearest_twin}
    alike = [pair for pair in training if pair[0].encoder != NEAREST or not guided or pair[0].name in guided]
    groups = [(FIT, of_one_fit), (SEARCH, search), (TRAINING, alike)]
    lines = [
        (
            part, encoder, ", ".join(number_of_bytes(row.bytes_per_user) for row, _ in pairs), len(pairs),
            *results.bootstrap.mean_difference([(row.ndcg, other.ndcg) for row, other in pairs]),
        )
        for part, of_part in groups
        for encoder in CHOSEN_BY
        if (pairs := [pair for pair in of_part if pair[0].encoder == encoder])
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS.names)


def _pairs(by_name: dict[str, RowResult], twins: Iterable[tuple[RowResult, str | None]]) -> Sequence[Pair]:
    """Rows with those of these names that there are."""
    return [(row, by_name[twin]) for row, twin in twins if twin in by_name]


def sentences(table: pd.DataFrame) -> list[str]:
    """A sentence for each part that is known, in Markdown; table : of `parts_table`."""
    known = table[table["low"].notna()]
    changes = {(line["part"], line["encoder"]): _change(line) for _, line in known.iterrows()}
    told = []
    if (FIT, NEAREST) in changes:
        told.append(
            "**Fit.** Residual codes in place of plain PQ of as many bytes, both fitted after training and the nearest "
            f"to the embedding, change NDCG@100 by {changes[FIT, NEAREST]}."
        )
    for part, encoder in changes:
        if part == SEARCH:
            told.append(
                f"**Search.** Codes chosen by {CHOSEN_BY[encoder]} in place of the nearest ones, of the same codebooks "
                f"fitted after training, change NDCG@100 by {changes[part, encoder]}."
            )
    learnt = [
        f"{change} where both are {'the nearest' if encoder == NEAREST else f'chosen by {CHOSEN_BY[encoder]}'}"
        for (part, encoder), change in changes.items()
        if part == TRAINING
    ]
    if learnt:
        told.append(
            "**Training.** Codes learnt in training in place of codes fitted after it change NDCG@100 by "
            f"{', and by '.join(reversed(learnt))}."
        )
    return told


def _change(line: "pd.Series[float]") -> str:
    """With its interval, what it is of, and whether it is sure."""
    value, low, high = line["difference"], line["low"], line["high"]
    over = f"at {line['sizes']} bytes" if line["pairs"] == 1 else f"mean of {line['pairs']} pairs"
    unsure = "; not significant" if verdict(low, high) == "not significant" else ""
    return f"{value:+.4f} (95 % CI {low:+.4f} to {high:+.4f}, {over}{unsure})"
