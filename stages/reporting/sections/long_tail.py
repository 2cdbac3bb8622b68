"""How unevenly interactions are spread over users and items, and how NDCG@100 depends on it."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from stages.evaluation.groups import group_column
from stages.reporting.csv_files import Tables, TextColumns
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import LINES, draw_lines, legend_below, line_styles, save
from stages.reporting.results import NDCG, Results, RowResult
from stages.reporting.sections.split import counts
from stages.reporting.tables import markdown
from stages.reporting.wording import each, paragraphs, score, share
from stages.statistics.activity import QUARTERS, quarter_bounds, quarters_of

TABLES: TextColumns = {
    "plots/by_activity": ("row", "group"),
    "plots/by_popularity": ("row", "group"),
    "figures/distribution": ("of",),
    "figures/most_popular": ("item", "title"),
}
ITEM_GROUPS = ("most popular", "second quarter", "third quarter", "rarest")
GROUP_COLUMNS = ["row", "quarter", "group", "users", NDCG]
POINTS_OF_A_TAIL = 200
MOST_POPULAR = 10  # items


def data(results: Results) -> dict[str, pd.DataFrame]:
    """NDCG@100 of all rows by groups of users and of items; how interactions are spread; the most popular items."""
    return {
        "plots/by_activity": pd.concat([by_activity(row) for row in results.rows], ignore_index=True),
        "plots/by_popularity": pd.concat([by_popularity(row) for row in results.rows], ignore_index=True),
        "figures/distribution": pd.concat(
            [_tail("user", results.users["interactions"]), _tail("item", results.items["interactions"])],
            ignore_index=True,
        ),
        "figures/most_popular": most_popular(results.items),
    }


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, the tables, and how to read them."""
    return paragraphs(
        "## The long tail",
        "![Interactions per user and per item, and NDCG@100 by activity and by popularity](figures/long_tail.png)",
        "Rows that are quantized after training are in the tables only.",
        "This is NDCG@100 of test users by their number of fold-in interactions, in quarters of the users. Users with "
        "the same number stay together:",
        group_table(tables["plots/by_activity"]),
        "This is NDCG@100 by popularity of the held-out item. Items are in four groups, each with a quarter of the "
        "train interactions. All items are ranked, but only held-out items of the group count:",
        group_table(tables["plots/by_popularity"]),
        "These items have the most interactions:",
        popular_table(tables["figures/most_popular"], counts(tables)["users"]),
    )


def draw(tables: Tables, folder: Path) -> None:
    """Four panels: interactions per user and per item by rank, NDCG@100 by quarters of users and of interactions."""
    rows = tables["plots/frontier"]
    styles = line_styles(rows["row"])
    shown = rows.loc[[not FAMILIES[family].after_training for family in rows["family"]], "row"]  # all are a tangle
    activity, popularity = (
        table[table["row"].isin(shown)] for table in (tables["plots/by_activity"], tables["plots/by_popularity"])
    )
    figure, panels = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    tails = tables["figures/distribution"].groupby("of", sort=False)
    for axes, (of, tail), colour in zip(panels[0], tails, LINES, strict=False):
        _draw_tail(axes, str(of), tail, colour)
    title = "NDCG@100 by quarters of test users, from the fewest interactions"
    draw_lines(panels[1][0], activity, "quarter", NDCG, styles, title, marker="o")
    title = "NDCG@100 by quarters of interactions, from the most popular items"
    draw_lines(panels[1][1], popularity, "quarter", NDCG, styles, title, marker="o")
    legend_below(figure, panels[1][1])
    save(figure, folder / "long_tail.png")


def by_activity(row: RowResult) -> pd.DataFrame:
    """NDCG@100 of test users by quarters of their number of fold-in interactions.

    Returns
    -------
    DataFrame with columns row, quarter (1: the fewest), group (its numbers of interactions, in words), users, ndcg@100
    """
    fold_in = row.per_user["fold_in"].to_numpy()
    quarters = quarters_of(fold_in, quarter_bounds(fold_in))
    lines = []
    for quarter in range(QUARTERS):
        chosen = quarters == quarter
        if chosen.any():  # users with the same number stay together: on small sets a quarter may be empty
            low, high = int(fold_in[chosen].min()), int(fold_in[chosen].max())
            group = f"{low:,}–{high:,}" if low < high else f"{low:,}"
            lines.append((row.name, quarter + 1, group, int(chosen.sum()), row.per_user.loc[chosen, NDCG].mean()))
    return pd.DataFrame(lines, columns=GROUP_COLUMNS)


def by_popularity(row: RowResult) -> pd.DataFrame:
    """NDCG@100 by quarters of the items, each of which has a quarter of the interactions of train.

    Returns
    -------
    DataFrame with columns row, quarter (1: the most popular items), group, users (with such held-out items), ndcg@100
    """
    lines = []
    for quarter, group in enumerate(ITEM_GROUPS):
        column = row.per_user.get(group_column(quarter))
        if column is not None and column.notna().any():
            lines.append((row.name, quarter + 1, group, column.count(), column.mean()))
    return pd.DataFrame(lines, columns=GROUP_COLUMNS)


def most_popular(items: pd.DataFrame) -> pd.DataFrame:
    """The items with the most interactions, by their original ids, with titles where there are any."""
    top = items.nlargest(MOST_POPULAR, "interactions")
    columns = {"item": top["item"].astype(str)}
    if "title" in top:
        columns["title"] = top["title"].fillna("").astype(str)
    return pd.DataFrame({**columns, "interactions": top["interactions"]})


def group_table(table: pd.DataFrame) -> str:
    """Markdown: NDCG@100 of each row, a column per group; table : of `by_activity` or `by_popularity`."""
    lines = [
        {"row": f"`{row}`", **dict(zip(groups["group"], each(groups[NDCG], score), strict=True))}
        for row, groups in table.groupby("row", sort=False)
    ]
    return markdown(pd.DataFrame(lines))


def popular_table(items: pd.DataFrame, n_users: int) -> str:
    """Markdown: of `most_popular`; n_users : of which the interactions are."""
    columns = {name: items[name].str.replace("|", r"\|", regex=False) for name in ("item", "title") if name in items}
    return markdown(
        pd.DataFrame(
            {
                **columns,
                "interactions": each(items["interactions"], "{:,}".format),
                "of users": each(items["interactions"] / n_users, share),
            }
        )
    )


def _tail(of: str, interactions: "pd.Series[int]") -> pd.DataFrame:
    """Interactions of a user or an item by rank, at ranks evenly spaced on a logarithmic scale."""
    ordered = interactions.sort_values(ascending=False, ignore_index=True)
    ranks = np.unique(np.geomspace(1, len(ordered), POINTS_OF_A_TAIL).astype(int))
    return pd.DataFrame({"of": of, "rank": ranks, "interactions": ordered.to_numpy()[ranks - 1]})


def _draw_tail(axes: Axes, of: str, tail: pd.DataFrame, colour: str) -> None:
    axes.plot(tail["rank"], tail["interactions"], ".-", markersize=4, linewidth=1, color=colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(f"interactions per {of}", fontsize=10)
    axes.set_xlabel(f"rank of the {of}")
    axes.grid(alpha=0.25)
