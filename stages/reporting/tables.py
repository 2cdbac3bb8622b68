"""The report's tables and sentences."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from stages.params import Row
from stages.ranking.groups import group_column
from stages.ranking.paired import compare
from stages.reporting.paper import TABLE_1, VECTORS
from stages.reporting.results import RowResult

NDCG = "ndcg@100"


def rows_of_the_paper(rows: list[RowResult]) -> list[RowResult]:
    """Those that Table 1 has, in its order: of the same name, and of as many bytes."""
    by_name = {row.name: row for row in rows}
    return [
        by_name[name]
        for name, printed in TABLE_1.items()
        if name in by_name and by_name[name].bytes_per_user == printed.bytes_per_user
    ]


def accuracy_table(rows: list[RowResult], shown: Iterable[str], with_paper: bool) -> str:
    """Markdown: bytes per user, size of 50M users and accuracy, as in Table 1; with the paper's value if asked.

    Parameters
    ----------
    rows : all of the report, as a row is compared with its float twin
    shown : names of those in this table, in this order
    with_paper : only where all shown rows are the paper's
    """
    by_name = {row.name: row for row in rows}
    lines = []
    for row in (by_name[name] for name in shown if name in by_name):
        line = {
            "row": f"`{row.name}`",
            "stored per user": row.stored,
            "bytes per user": _bytes(row.bytes_per_user),
            "50M users": _size_of_all(row.bytes_per_user),
            "NDCG@100": f"{row.mean[NDCG]:.4f} ± {row.standard_error[NDCG]:.4f}",
            "kept of float": _kept(row, by_name),
            "Recall@20": f"{row.mean['recall@20']:.4f}",
            "Recall@50": f"{row.mean['recall@50']:.4f}",
        }
        if with_paper:
            printed = TABLE_1[row.name].ndcg
            line["paper"] = f"{printed:.3f}"
            line["difference"] = f"{row.mean[NDCG] - printed:+.4f}"
        lines.append(line)
    return markdown(pd.DataFrame(lines))


def in_short(rows: list[RowResult]) -> list[str]:
    """What each quantized row stores and keeps, a sentence each."""
    by_name = {row.name: row for row in rows}
    sentences = []
    for row in rows:
        twin = by_name.get(row.float_twin or "")
        if twin:
            sentences.append(
                f"`{row.name}`: **{_bytes(row.bytes_per_user)} bytes** per user instead of "
                f"{_bytes(twin.bytes_per_user)}, {twin.bytes_per_user / row.bytes_per_user:.0f}× less, "
                f"keep **{_kept(row, by_name)}** of the float model's NDCG@100 "
                f"({row.mean[NDCG]:.4f} of {twin.mean[NDCG]:.4f})."
            )
    return sentences


def order_of_rows(rows: list[RowResult]) -> str:
    """Whether the rows come in the paper's order, and by how many standard errors (paired) they do not."""
    ordered = rows_of_the_paper(rows)
    if len(ordered) < 2:
        return "There are not two rows of the paper's Table 1 here, so there is no order to compare."
    wrong = []
    for better, worse in pairwise(ordered):
        difference = compare(worse.per_user[NDCG], better.per_user[NDCG])
        if difference.mean > 0:
            sure = difference.mean / difference.standard_error if difference.standard_error else float("inf")
            chance = ", which may be chance" if sure < 2 else ""
            amount = f"{difference.mean:.4f}, {sure:.1f} standard errors{chance}"
            wrong.append(f"- `{worse.name}` is above `{better.name}` by {amount}")
    order = " > ".join(f"`{row.name}`" for row in ordered)
    if not wrong:
        return f"**The paper's order of rows holds here**: {order}."
    return "\n".join([f"**The paper's order of rows does not hold here.** It is {order}; but here", "", *wrong])


def code_usage_table(rows: list[RowResult]) -> str:
    """Markdown: how evenly the codebooks are used by the train users, over the chunks."""
    lines = [
        {
            "row": f"`{row.name}`",
            "chunks": len(row.code_usage),
            "perplexity, mean": f"{row.code_usage['perplexity'].mean():.1f}",
            "lowest": f"{row.code_usage['perplexity'].min():.1f}",
            "dead codes, mean": f"{row.code_usage['dead'].mean():.1f}",
            "most": f"{row.code_usage['dead'].max():.0f}",
            "codebooks": f"{row.shared_bytes / 1e3:,.0f} kB",
        }
        for row in rows
        if len(row.code_usage)
    ]
    return markdown(pd.DataFrame(lines))


def cost_table(rows: Iterable[Row], records: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: what each row took to train, to quantize and to evaluate; records : stage → what it ran on."""
    lines = []
    for row in rows:
        train, evaluate = records[f"train-{row.model}"], records[f"evaluate-{row.name}"]
        quantize = records[f"quantize-{row.name}"] if row.quantizer else None
        memory = _gigabytes(train["peak_memory_bytes"])
        if "gpu_peak_memory_bytes" in train:
            memory += f" and {_gigabytes(train['gpu_peak_memory_bytes'])} on the GPU"
        lines.append(
            {
                "row": f"`{row.name}`",
                "training": _seconds(train["seconds"])
                + (f" from epoch {train['resumed_after_epoch']}" if "resumed_after_epoch" in train else ""),
                "users/s": f"{train['users_per_second']:,}" if "users_per_second" in train else "–",
                "precision": train.get("precision", "–"),
                "peak memory": memory,
                "fitting the quantizer": _seconds(quantize["seconds"]) if quantize else "–",
                "evaluation": _seconds(evaluate["seconds"]),
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
            low, high = fold_in[chosen].min(), fold_in[chosen].max()
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


def _kept(row: RowResult, by_name: dict[str, RowResult]) -> str:
    """Share of the float twin's NDCG@100, ± the standard error of the paired difference."""
    twin = by_name.get(row.float_twin or "")
    if twin is None:
        return "–"
    difference = compare(row.per_user[NDCG], twin.per_user[NDCG])
    share, error = 1 + difference.mean / twin.mean[NDCG], difference.standard_error / twin.mean[NDCG]
    return f"{share * 100:.1f} ± {error * 100:.1f} %"


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
