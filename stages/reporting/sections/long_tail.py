"""How unevenly interactions are spread over users and items, and how NDCG@100 depends on it."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from stages.evaluation.groups import group_column
from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import THOUSANDS, WIDTH, Theme, name_ends, title
from stages.reporting.results import NDCG, Results, RowResult
from stages.reporting.sections.split import counts
from stages.reporting.tables import markdown
from stages.reporting.wording import each, paragraphs, picture, score, share
from stages.run.text import code, literal, one_line
from stages.statistics.activity import QUARTERS, quarter_bounds, quarters_of

PICTURE = "long_tail"
TABLES: TableColumns = {
    "plots/by_activity": Columns(("row", "group"), ("quarter", "users", NDCG)),
    "plots/by_popularity": Columns(("row", "group"), ("quarter", "users", NDCG)),
    "figures/distribution": Columns(("of",), ("rank", "interactions")),
    "figures/most_popular": Columns(("item", "title"), ("interactions",), may_be_empty=True),
}
ITEM_GROUPS = ("most popular", "second quarter", "third quarter", "rarest")
GROUP_COLUMNS = ["row", "quarter", "group", "users", NDCG]
POINTS_OF_A_TAIL = 200
MOST_POPULAR = 10  # items
FEW_BYTES = 40  # of the paper's larger code
DRAWN = 2  # references and float models at most, of each


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
    popular = tables["figures/most_popular"]
    if popular.empty:
        listed = []
    else:
        listed = ["These items have the most interactions:", popular_table(popular, counts(tables)["users"])]
    return paragraphs(
        "## The long tail",
        picture(PICTURE, "Interactions per user and per item, and NDCG@100 by activity and by popularity"),
        f"Drawn are at most {DRAWN} references, {DRAWN} float models that most rows are held against, and of the rows "
        f"of at most {FEW_BYTES} bytes the best on the validation users that is quantized during training, and the "
        "best after it. The tables have all rows.",
        "This is NDCG@100 of test users by their number of fold-in interactions, in quarters of the users. Users with "
        "the same number stay together:",
        group_table(tables["plots/by_activity"]),
        "This is NDCG@100 by popularity of the held-out item. Items are in four groups, each with a quarter of the "
        "train interactions. All items are ranked, but only held-out items of the group count:",
        group_table(tables["plots/by_popularity"]),
        *listed,
    )


def draw(tables: Tables, theme: Theme) -> Figure:
    """Four panels: NDCG@100 by quarters of users and of interactions, interactions per user and per item by rank."""
    drawn = rows_drawn(tables["plots/frontier"])
    figure = Figure(figsize=(WIDTH, 5.4))
    title(
        figure,
        theme,
        "Who gains and who loses by fewer bytes?",
        "Above: NDCG@100 for popular and rare items, for active and less active users. Below: how unequal they are.",
    )
    panels = figure.subplots(2, 2, height_ratios=(1.4, 1))
    figure.subplots_adjust(0.06, 0.075, 0.785, 0.845, wspace=0.16, hspace=0.48)
    above = {"plots/by_popularity": "item popularity", "plots/by_activity": "user activity"}
    for axes, (table, by) in zip(panels[0], above.items(), strict=True):
        _draw_quarters(axes, tables[table], drawn, by)
    panels[0][1].set_xlabel("fold-in interactions of the user")
    name_ends(panels[0][1], theme, list(drawn["row"]))
    for axes, (of, tail) in zip(panels[1], tables["figures/distribution"].groupby("of"), strict=True):
        _draw_tail(axes, str(of), tail, theme)
    return figure


def rows_drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Few enough rows to tell their lines apart: what others are held against, and the best of few bytes.

    Parameters
    ----------
    rows : of `stages.reporting.frontier.frontier_table`
    """
    twins = rows.loc[rows["float_twin"] != "", "float_twin"].value_counts().index[:DRAWN]
    after_training = rows["family"].map({name: family.after_training for name, family in FAMILIES.items()})
    few = rows[rows["bytes_per_user"] <= FEW_BYTES].sort_values(["validation_ndcg", NDCG], ascending=False)
    return pd.concat(
        [
            rows[rows["family"] == "reference"][:DRAWN],
            rows[rows["row"].isin(twins)],
            few[few["family"] == "trained"][:1],
            few[after_training[few.index]][:1],
        ]
    )


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
    """The items with the most interactions: original ids and titles, each on one line.

    None where there are no titles: ids alone say nothing to a reader, and may not be meant for everybody who reads.
    """
    if "title" not in items:
        items = items[:0].assign(title="")
    top = items.nlargest(MOST_POPULAR, "interactions")
    titles = top["title"].fillna("").map(one_line)
    return pd.DataFrame({"item": top["item"].map(one_line), "title": titles, "interactions": top["interactions"]})


def group_table(table: pd.DataFrame) -> str:
    """Markdown: NDCG@100 of each row, a column per group; table : of `by_activity` or `by_popularity`."""
    lines = [
        {"row": code(row), **dict(zip(groups["group"], each(groups[NDCG], score), strict=True))}
        for row, groups in table.groupby("row", sort=False)
    ]
    return markdown(pd.DataFrame(lines))


def popular_table(items: pd.DataFrame, n_users: int) -> str:
    """Markdown: of `most_popular`; n_users : of which the interactions are."""
    return markdown(
        pd.DataFrame(
            {
                "item": items["item"].map(literal),
                "title": items["title"].map(literal),
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


def _draw_quarters(axes: Axes, table: pd.DataFrame, drawn: pd.DataFrame, by: str) -> None:
    """A line per row; of two rows of a family the second is dashed."""
    dashes = {name: cycle(["-", "--"]) for name in FAMILIES}
    for _, row in drawn.iterrows():
        family, line = FAMILIES[row["family"]], table[table["row"] == row["row"]]
        axes.plot(
            line["quarter"], line[NDCG], color=family.colour, marker=family.marker, markersize=5,
            linestyle=next(dashes[row["family"]]),
        )  # fmt: skip
    groups = table.drop_duplicates("quarter").sort_values("quarter")
    axes.set_xticks(groups["quarter"], groups["group"])
    axes.set_title(f"NDCG@100 by {by}, in quarters")


def _draw_tail(axes: Axes, of: str, tail: pd.DataFrame, theme: Theme) -> None:
    axes.plot(tail["rank"], tail["interactions"], color=theme.quiet)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(f"interactions per {of}, from the most")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(THOUSANDS)
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"rank of the {of}")
