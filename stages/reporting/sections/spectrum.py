"""In how many directions the embeddings of a model vary, which says how well they can be quantized."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.families import FAMILIES
from stages.reporting.figures import COLOURS, THOUSANDS, WIDTH, Theme, title
from stages.reporting.results import Results
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, code, paragraphs, picture, share

PICTURE = "spectrum"
TABLES: TableColumns = {
    "figures/spectrum": Columns(("row",), ("direction", "variance"), may_be_empty=True),
}
FEW_BYTES = 20


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Of every row that stores its embeddings as they are: the share of their variance in the first directions."""
    lines = [
        (row.name, direction, held)
        for row in results.rows
        for direction, held in enumerate(np.cumsum(row.spectrum), start=1)
    ]
    return {"figures/spectrum": pd.DataFrame(lines, columns=TABLES["figures/spectrum"].names)}


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The picture, the table, and what they have to do with codes; nothing without embeddings."""
    spectra = tables["figures/spectrum"]
    if spectra.empty:
        return ""
    lines = {
        row: {
            "directions": f"{len(table)}",
            "that hold half of the variance": _directions_of(table, 0.5),
            "that hold 90 %": _directions_of(table, 0.9),
            f"lost by the best code of {FEW_BYTES} bytes": _lost(tables["plots/frontier"], str(row)),
        }
        for row, table in spectra.groupby("row", sort=False)
    }
    table = pd.DataFrame.from_dict(lines, orient="index")
    table.insert(0, "row", code(table.index))
    return paragraphs(
        "## The spectrum of the embeddings",
        "The more of their variance lies in a few directions, the less do codes of a few bytes lose of it:",
        picture(PICTURE, "Share of the variance of the embeddings that the first principal directions hold"),
        markdown(table),
        "Directions are principal components of the test users' embeddings, means over seeds. The last column is the "
        f"least share of the variance that a code of at most {FEW_BYTES} bytes, fitted after training, loses.",
    )


def draw(tables: Tables, theme: Theme) -> Figure | None:
    """A line per row: the share of the variance by the number of directions; None without embeddings."""
    spectra = tables["figures/spectrum"]
    if spectra.empty:
        return None
    figure = Figure(figsize=(WIDTH, 3.1))
    title(
        figure,
        theme,
        "In how many directions do the embeddings vary?",
        "A line that rises steeply is of embeddings that a few bytes describe well.",
    )
    axes = figure.subplots()
    figure.subplots_adjust(0.06, 0.15, 0.99, 0.76)
    for number, (row, table) in enumerate(spectra.groupby("row", sort=False)):
        axes.plot(table["direction"], table["variance"], color=COLOURS[number % len(COLOURS)], label=str(row))
    axes.set_title("share of the variance")
    axes.set_xlabel("principal directions, from the largest on")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_ylim(0, 1.03)
    axes.legend(loc="lower right")
    return figure


def _directions_of(table: pd.DataFrame, held: float) -> str:
    return str(int(table["direction"][table["variance"] >= held - 1e-9].min()))


def _lost(frontier: pd.DataFrame, row: str) -> str:
    """The least share of the variance that a code of a float row loses; a dash where it has none of so few bytes."""
    after_training = frontier["family"].map(lambda family: FAMILIES[family].after_training)
    few = frontier["bytes_per_user"] <= FEW_BYTES
    least = frontier[after_training & few & (frontier["float_twin"] == row)]["variance_lost"].min()
    return UNKNOWN if pd.isna(least) else share(least)
