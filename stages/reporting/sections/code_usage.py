"""How evenly the codebooks are used by the train users."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import WIDTH, Theme, name_ends, title
from stages.reporting.results import Results
from stages.reporting.sections.split import counts
from stages.reporting.tables import markdown
from stages.reporting.wording import code, each, paragraphs, picture

PICTURE = "code_usage"
TABLES: TableColumns = {
    "plots/code_usage": Columns(("row",), ("codebook", "perplexity", "dead"), may_be_empty=True),
    "figures/codebooks": Columns(
        ("row",),
        ("codebooks", "perplexity", "lowest_perplexity", "dead", "most_dead", "shared_bytes"),
        may_be_empty=True,
    ),
}
SHARES = np.linspace(0.05, 0.95, 10)  # of the codebooks of a code: the middle of each tenth


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Perplexity and dead codes of each codebook; and for each row a summary over its codebooks."""
    # A prefix's codes are those of the whole code, which comes first.
    whole_codes = {row.base: row.name for row in reversed(results.rows)}.values()
    usage = [row.code_usage.assign(row=row.name) for row in results.rows if row.name in whole_codes]
    summary = [
        (
            row.name, len(row.code_usage), row.code_usage["perplexity"].mean(), row.code_usage["perplexity"].min(),
            row.code_usage["dead"].mean(), row.code_usage["dead"].max(), row.shared_bytes,
        )
        for row in results.rows
        if len(row.code_usage)
    ]  # fmt: skip
    usage = [table for table in usage if len(table)] or usage
    return {
        "plots/code_usage": pd.concat(usage, ignore_index=True)[TABLES["plots/code_usage"].names],
        "figures/codebooks": pd.DataFrame(summary, columns=TABLES["figures/codebooks"].names),
    }


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The table, the picture, and how to read them."""
    table = tables["figures/codebooks"]
    columns = {
        "row": code(table["row"]),
        "codebooks": each(table["codebooks"], str),
        "perplexity, mean": each(table["perplexity"], "{:.1f}".format),
        "lowest": each(table["lowest_perplexity"], "{:.1f}".format),
        "dead codes, mean": each(table["dead"], "{:.1f}".format),
        "most": each(table["most_dead"], "{:.0f}".format),
        "size": each(table["shared_bytes"] / 1e3, "{:,.0f} kB".format),
    }
    return paragraphs(
        "## Use of the codes",
        markdown(pd.DataFrame(columns)),
        picture(PICTURE, "Perplexity and dead codes of the codebooks of each family"),
        f"The numbers are over the {counts(tables)['train_users']:,} train users, and means over seeds. *Perplexity* "
        "is the number of codes, all used alike, that would spread users as these do (256 at best). A *dead code* is "
        "one that no train user has. Guided codes, which share their codebooks with the nearest, are not counted. "
        "Post-hoc codebooks are fitted on parts of the users' histories; those of a bottleneck follow the users while "
        "these move.",
    )


def draw(tables: Tables, theme: Theme) -> Figure:
    """Two panels: perplexity, and dead codes; a line per family, the mean of its rows."""
    families = tables["plots/frontier"].set_index("row")["family"]
    table = tables["plots/code_usage"]
    figure = Figure(figsize=(WIDTH, 3.3))
    title(
        figure,
        theme,
        "Are all 256 codes of a codebook used?",
        "Lines: means of a family's rows; shades: from its lowest row to its highest. A point is a tenth of the "
        "codebooks of each row.",
    )
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(0.06, 0.14, 0.77, 0.73, wspace=0.16)
    titles = {"perplexity": "perplexity (256: all used alike)", "dead": "dead codes of 256 (0: none)"}
    for axes, (column, words_above) in zip(panels, titles.items(), strict=True):
        names = []
        for name, rows in table.groupby(table["row"].map(families), sort=False):
            family = FAMILIES[str(name)]
            profiles = np.array([_profile(usage[column].to_numpy()) for _, usage in rows.groupby("row", sort=False)])
            axes.plot(SHARES, profiles.mean(axis=0), color=family.colour, marker=family.marker, markersize=4.5)
            axes.fill_between(
                SHARES, profiles.min(axis=0), profiles.max(axis=0), color=family.colour, alpha=0.15, linewidth=0
            )
            names.append(family.label.replace(" after training", "\nafter training"))
        axes.set_title(words_above)
        axes.set_xlabel("codebooks of a code, from the first to the last")
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_ylim(-5, 261)
        axes.set_yticks(range(0, 257, 64))
    name_ends(panels[1], theme, names)
    return figure


def _profile(values: np.ndarray) -> np.ndarray:
    """A value for each of SHARES, from one for each codebook, in their order: rows have more of them or fewer."""
    return np.interp(SHARES, (np.arange(len(values)) + 0.5) / len(values), values)
