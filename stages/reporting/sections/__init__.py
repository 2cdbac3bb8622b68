"""The sections of a report, in its order: each module has its data, its words and its picture."""

from typing import Protocol, runtime_checkable

import pandas as pd
from matplotlib.figure import Figure

from stages.reporting.csv_files import TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.figures import Theme
from stages.reporting.results import Results
from stages.reporting.sections import (
    ablations,
    accuracy,
    budgets,
    code_usage,
    codebook_size,
    encoders,
    frontier,
    frontier_picture,
    gains,
    in_brief,
    items,
    long_tail,
    opening,
    paper_gap,
    paper_order,
    parameters,
    refits,
    serving,
    spectrum,
    split,
    table_1,
    training,
)


class Section(Protocol):
    """A module of this package."""

    def words(self, tables: Tables, experiment: Experiment) -> str:
        """The section in Markdown; empty where there is nothing to say."""


@runtime_checkable
class SectionWithData(Section, Protocol):
    """A section that adds tables to the report; every section may use those of all others."""

    TABLES: TableColumns

    def data(self, results: Results) -> dict[str, pd.DataFrame]:
        """The tables, of the names in TABLES."""


@runtime_checkable
class SectionWithPicture(Section, Protocol):
    """A section that draws."""

    PICTURE: str
    """Name of its files, without ending."""

    def draw(self, tables: Tables, theme: Theme) -> Figure | None:
        """The picture for light or for dark ground; None where there is nothing to draw."""


IN_VIEW: list[Section] = [opening, in_brief, frontier_picture, gains, table_1, paper_order]
FOLDED: list[Section] = [
    serving,
    accuracy,
    frontier,
    encoders,
    spectrum,
    codebook_size,
    items,
    refits,
    budgets,
    ablations,
    paper_gap,
    training,
    code_usage,
    long_tail,
    split,
    parameters,
]
"""Hidden until a reader opens them, by their headings."""
SECTIONS = [*IN_VIEW, *FOLDED]
