"""How evenly the codebooks are used by the train users."""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from stages.reporting.csv_files import Tables, TextColumns
from stages.reporting.experiment import Experiment
from stages.reporting.figures import draw_lines, legend_below, line_styles, save
from stages.reporting.results import Results
from stages.reporting.sections.split import counts
from stages.reporting.tables import markdown
from stages.reporting.wording import code, each, paragraphs

TABLES: TextColumns = {"plots/code_usage": ("row",), "figures/codebooks": ("row",)}


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
    columns = ["row", "codebooks", "perplexity", "lowest_perplexity", "dead", "most_dead", "shared_bytes"]
    usage = [table for table in usage if len(table)] or usage
    return {
        "plots/code_usage": pd.concat(usage, ignore_index=True)[["row", "codebook", "perplexity", "dead"]],
        "figures/codebooks": pd.DataFrame(summary, columns=columns),
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
        "![Perplexity and dead codes of each codebook](figures/code_usage.png)",
        f"The numbers are over the {counts(tables)['train_users']:,} train users, and means over seeds. *Perplexity* "
        "is the number of codes, all used alike, that would spread users as these do (256 at best). A *dead code* is "
        "one that no train user has. Post-hoc codebooks are fitted on these very vectors; those of a bottleneck follow "
        "them while they move.",
    )


def draw(tables: Tables, folder: Path) -> None:
    """Two panels: perplexity, and dead codes."""
    table = tables["plots/code_usage"]
    styles = line_styles(tables["plots/frontier"]["row"])
    figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    titles = {"perplexity": "perplexity of the codes (256: all used alike)", "dead": "dead codes of 256"}
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        draw_lines(axes, table, "codebook", column, styles, title, marker=".", linewidth=1)
        axes.set_ylim(bottom=-0.02 * table[column].to_numpy().max(initial=5))  # a line at 0 stays visible
    legend_below(figure, panels[0])
    save(figure, folder / "code_usage.png")
