"""The report's tables and sentences."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from stages.reporting.comparisons import NDCG, Comparison
from stages.reporting.paper import TABLE_1, VECTORS
from stages.reporting.results import RowResult
from stages.statistics.bootstrap import Bootstrap, Interval
from stages.statistics.groups import group_column


def rows_of_the_paper(rows: list[RowResult]) -> list[RowResult]:
    """Those that Table 1 has, in its order: of the same name, and of as many bytes."""
    by_name = {row.name: row for row in rows}
    return [
        by_name[name]
        for name, printed in TABLE_1.items()
        if name in by_name and by_name[name].bytes_per_user == printed.bytes_per_user
    ]


def accuracy_table(
    rows: list[RowResult], shown: Iterable[str], comparisons: Mapping[str, Comparison], with_paper: bool
) -> str:
    """Markdown: bytes per user, size of 50M users and accuracy, as in Table 1; with the paper's value if asked.

    Parameters
    ----------
    shown : names of the rows in this table, in this order
    comparisons : of all rows
    with_paper : only where all shown rows are the paper's
    """
    by_name = {row.name: row for row in rows}
    lines = []
    for row in (by_name[name] for name in shown if name in by_name):
        spread, kept = row.spread(NDCG), comparisons[row.name].kept
        line = {
            "row": f"`{row.name}`",
            "stored per user": row.stored,
            "bytes per user": _bytes(row.bytes_per_user),
            "50M users": _size_of_all(row.bytes_per_user),
            "NDCG@100": f"{row.mean(NDCG):.4f} ± {row.standard_error(NDCG):.4f}",
            "seeds": "–" if spread is None else f"± {spread:.4f}",
            "kept of float (95 % CI)": _percent(kept) if kept else "–",
            "Recall@20": f"{row.mean('recall@20'):.4f}",
            "Recall@50": f"{row.mean('recall@50'):.4f}",
        }
        if with_paper:
            printed = TABLE_1[row.name].ndcg
            line["paper"] = f"{printed:.3f}"
            line["difference"] = f"{row.mean(NDCG) - printed:+.4f}"
        lines.append(line)
    return markdown(pd.DataFrame(lines))


def in_short(rows: list[RowResult], comparisons: Mapping[str, Comparison]) -> list[str]:
    """What each row that was quantized during training stores and keeps, and gains by that, a sentence each."""
    by_name = {row.name: row for row in rows}
    sentences = []
    for row in rows:
        twin, (kept, gain) = by_name.get(row.float_twin or ""), comparisons[row.name]
        if row.family != "trained" or not twin or not kept:
            continue
        sentence = (
            f"`{row.name}`: **{_bytes(row.bytes_per_user)} bytes** per user instead of {_bytes(twin.bytes_per_user)} "
            f"keep **{kept.value:.1%}** of NDCG@100, 95 % CI {kept.low * 100:.1f}–{kept.high * 100:.1f} "
            f"({row.mean(NDCG):.4f} of {twin.mean(NDCG):.4f})".replace("%**", " %**")
        )
        if gain:
            sentence += f"; {_against(gain)} quantizing `{twin.name}` after training at equal bytes"
        sentences.append(sentence + ".")
    return sentences


def gain_table(rows: list[RowResult], comparisons: Mapping[str, Comparison]) -> str:
    """Markdown: rows quantized during training against those quantized after it, of equal bytes."""
    by_name = {row.name: row for row in rows}
    lines = []
    for row in rows:
        gain = comparisons[row.name].gain
        if gain:
            twin = by_name[str(row.post_hoc_twin)]
            lines.append(
                {
                    "during training": f"`{row.name}`",
                    "after training": f"`{twin.name}`",
                    "bytes per user": _bytes(row.bytes_per_user),
                    "NDCG@100": f"{row.mean(NDCG):.4f}",
                    "after": f"{twin.mean(NDCG):.4f}",
                    "difference (95 % CI)": f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
                    "": _verdict(gain),
                }
            )
    return markdown(pd.DataFrame(lines))


def order_of_rows(rows: list[RowResult], bootstrap: Bootstrap) -> str:
    """Whether the rows come in the paper's order, and how sure it is where they do not."""
    ordered = rows_of_the_paper(rows)
    if len(ordered) < 2:
        return "There are not two rows of the paper's Table 1 here, so there is no order to compare."
    wrong = []
    for better, worse in pairwise(ordered):
        difference = bootstrap.difference(worse.values(NDCG), better.values(NDCG))
        if difference.value > 0:
            amount = f"{difference.value:.4f} (95 % CI {difference.low:+.4f} to {difference.high:+.4f})"
            chance = "" if difference.low > 0 else ", which may be chance"
            wrong.append(f"- `{worse.name}` is above `{better.name}` by {amount}{chance}")
    order = " > ".join(f"`{row.name}`" for row in ordered)
    if not wrong:
        return f"**The paper's order of rows holds here**: {order}."
    return "\n".join([f"**The paper's order of rows does not hold here.** It is {order}; but here", "", *wrong])


def code_usage_table(rows: list[RowResult]) -> str:
    """Markdown: how evenly the codebooks are used by the train users, over the codebooks and seeds."""
    lines = [
        {
            "row": f"`{row.name}`",
            "codebooks": len(row.code_usage),
            "perplexity, mean": f"{row.code_usage['perplexity'].mean():.1f}",
            "lowest": f"{row.code_usage['perplexity'].min():.1f}",
            "dead codes, mean": f"{row.code_usage['dead'].mean():.1f}",
            "most": f"{row.code_usage['dead'].max():.0f}",
            "size": f"{row.shared_bytes / 1e3:,.0f} kB",
        }
        for row in rows
        if len(row.code_usage)
    ]
    return markdown(pd.DataFrame(lines))


def cost_table(fits: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: what it took to train each model once; fits : model or reference → the record of its training."""
    lines = []
    for name, fit in fits.items():
        trainings = fit.get("trainings", [fit])
        memory = _gigabytes(fit["peak_memory_bytes"])
        if "gpu_peak_memory_bytes" in fit:
            memory += f" and {_gigabytes(fit['gpu_peak_memory_bytes'])} on the GPU"
        speeds = [training["users_per_second"] for training in trainings if training.get("users_per_second")]
        resumed = any("resumed_after_epoch" in training for training in trainings)
        lines.append(
            {
                "model": f"`{name}`",
                "a training": _seconds(median(training["seconds"] for training in trainings))
                + (", one resumed" if resumed else ""),
                "users/s": f"{median(speeds):,.0f}" if speeds else "–",
                "precision": fit.get("precision", "–"),
                "peak memory": memory,
            }
        )
    return markdown(pd.DataFrame(lines))


def protocol_table(found: Mapping[str, int | str], published: Mapping[str, int | str] | None) -> str:
    """Markdown: counts and digests of the split, against the published ones where there are such."""
    lines = []
    for name, value in found.items():
        line = {"": _in_words(name), "here": _value(value)}
        if published is not None:
            known = published.get(name)
            line["published"] = "–" if known is None else _value(known)
            line["same"] = "–" if known is None else "yes" if known == value else "**NO**"
        lines.append(line)
    return markdown(pd.DataFrame(lines))


def by_activity(row: RowResult) -> pd.DataFrame:
    """NDCG@100 of test users by quarters of their number of fold-in interactions.

    Returns
    -------
    DataFrame with columns quarter (1: the fewest), group (what it holds, in words), users, ndcg@100
    """
    fold_in = row.per_user["fold_in"].to_numpy()
    quarter = np.searchsorted(np.quantile(fold_in, [0.25, 0.5, 0.75]), fold_in)
    lines = []
    for number in range(4):
        chosen = quarter == number
        if chosen.any():  # users with the same number stay together: on small sets a quarter may be empty
            low, high = int(fold_in[chosen].min()), int(fold_in[chosen].max())
            ndcg = row.per_user.loc[chosen, NDCG].mean()
            group = f"{low:,}–{high:,}" if low < high else f"{low:,}"
            lines.append({"quarter": number + 1, "group": group, "users": chosen.sum(), NDCG: ndcg})
    return pd.DataFrame(lines)


def by_popularity(row: RowResult) -> pd.DataFrame:
    """NDCG@100 by quarters of the items, each of which has a quarter of the interactions of train.

    Returns
    -------
    DataFrame with columns quarter (1: the most popular items), group, users (with such held-out items), ndcg@100
    """
    lines = []
    for number, group in enumerate(["most popular", "second quarter", "third quarter", "rarest"]):
        column = row.per_user.get(group_column(number))
        if column is not None and column.notna().any():
            lines.append({"quarter": number + 1, "group": group, "users": column.count(), NDCG: column.mean()})
    return pd.DataFrame(lines)


def long_tail_table(tables: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: NDCG@100 of each row, a column per group; tables : row → result of `by_activity` or `by_popularity`."""
    lines = [
        {"row": f"`{name}`"} | {group: f"{ndcg:.4f}" for group, ndcg in zip(table["group"], table[NDCG], strict=True)}
        for name, table in tables.items()
    ]
    return markdown(pd.DataFrame(lines))


def most_popular(items: pd.DataFrame, n_users: int) -> str:
    """Markdown: the ten items with most interactions, by their original ids, and titles where there are such.

    Parameters
    ----------
    items : columns item and interactions, and perhaps title
    n_users : of which the interactions are
    """
    top = items.nlargest(10, "interactions")
    columns = {"item": top["item"].astype(str)}
    if "title" in top:
        columns["title"] = top["title"]
    columns["interactions"] = top["interactions"].map("{:,}".format)
    columns["of users"] = (top["interactions"] / n_users).map("{:.1%}".format)
    return markdown(pd.DataFrame(columns))


def markdown(frame: pd.DataFrame) -> str:
    """A table as GitHub shows it: the first column on the left, the others on the right."""
    align = ["left"] + ["right"] * (frame.shape[1] - 1)
    return frame.to_markdown(index=False, disable_numparse=True, colalign=align) if len(frame) else "None."


def listing(values: Iterable[object]) -> str:
    """Distinct values in order, joined."""
    return "; ".join(dict.fromkeys(str(value) for value in values))


def _percent(share: Interval) -> str:
    return f"{share.value * 100:.1f} % ({share.low * 100:.1f}–{share.high * 100:.1f})"


def _against(gain: Interval) -> str:
    """The beginning of a clause on what is compared with."""
    amount = f"{gain.value:+.4f} (95 % CI {gain.low:+.4f} to {gain.high:+.4f})"
    return f"{amount} against" if _verdict(gain) != "may be chance" else f"{amount}, which may be chance, against"


def _verdict(gain: Interval) -> str:
    return "above" if gain.low > 0 else "below" if gain.high < 0 else "may be chance"


def sizes(bytes_per_user: float) -> str:
    """Bytes per user and for as many users as in the paper, in words."""
    return f"{_bytes(bytes_per_user)} bytes per user, {_size_of_all(bytes_per_user)} for 50M users"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s"


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:.2f} GB"


def _in_words(name: str) -> str:
    return name.removesuffix("_sha256").replace("_", " ").replace("held out", "held-out") + (
        ", sha256" if name.endswith("_sha256") else ""
    )


def _value(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else f"`{value[:16]}…`"


def _size_of_all(bytes_per_user: float) -> str:
    return f"{bytes_per_user * VECTORS / 1e9:,.3g} G"


def _bytes(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
