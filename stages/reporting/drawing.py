"""Make a report's words and pictures from its tables, and put a new report in place of the last."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from stages.reporting.csv_files import Columns, Tables, damaged_table, read_report_table, read_table, write_table
from stages.reporting.experiment import Experiment
from stages.reporting.figures import write_picture
from stages.reporting.page import render_page
from stages.reporting.results import Results
from stages.reporting.sections import FOLDED, IN_VIEW, SECTIONS, SectionWithData, SectionWithPicture, paper_gap, split
from stages.reporting.wording import folded, paragraphs
from stages.run.digests import write_digests
from stages.run.errors import UserError
from stages.run.files import temporary_folder, whole_file, whole_folder

FOLDERS = ("plots", "figures")  # of a report: tables that DVC plots, and pictures with all other tables


def write_tables(results: Results, folder: Path) -> None:
    """Write every section's tables as CSV files, with their digests."""
    for name in FOLDERS:
        (folder / name).mkdir()
    for section in SECTIONS:
        if isinstance(section, SectionWithData):
            for name, table in section.data(results).items():
                write_table(table, folder / f"{name}.csv", section.TABLES[name].all_text)
    for name in FOLDERS:
        write_digests(folder / name, name)


def read_tables(report: Path) -> Tables:
    """Every section's tables, as `write_tables` left them; UserError where one is missing or damaged."""
    tables = {name: read_report_table(report, name, columns) for name, columns in table_columns().items()}
    metrics = set(tables["figures/metrics"]["metric"])
    if not all(metrics <= set(tables[name]) for name in ("plots/frontier", "figures/items")):
        raise damaged_table(report, "figures/metrics")
    try:
        split.counts(tables)["users"]
    except (ValueError, KeyError) as error:
        raise damaged_table(report, "figures/protocol") from error
    return tables


def read_studies(report: Path, studies: Iterable[str]) -> Tables:
    """The tables of those studies of fits that were run; UserError where one is damaged.

    Parameters
    ----------
    report : folder of the report
    studies : their names
    """
    tables = {}
    for study in studies:
        name, path = f"studies/{study}", report / "studies" / f"{study}.csv"
        if path.exists():
            try:
                tables[name] = read_table(path, paper_gap.COLUMNS.all_text)
                paper_gap.check(tables[name])
            except (OSError, ValueError) as error:
                raise UserError(f"{path} is no table of a study of fits; remove it, or run the study again") from error
    return tables


def table_columns() -> dict[str, Columns]:
    """Every table of every section, in their order → its columns."""
    return {
        name: columns
        for section in SECTIONS
        if isinstance(section, SectionWithData)
        for name, columns in section.TABLES.items()
    }


def draw_report(tables: Tables, experiment: Experiment, folder: Path) -> None:
    """Write report.md, frontier.html and the pictures into a folder that has the tables."""
    for section in SECTIONS:
        if isinstance(section, SectionWithPicture):
            write_picture(section.PICTURE, partial(section.draw, tables), folder / "figures")
    (folder / "report.md").write_text(words_of(tables, experiment) + "\n", encoding="utf-8")
    page = render_page(experiment.title, tables["plots/frontier"], tables["figures/items"], tables["figures/metrics"])
    (folder / "frontier.html").write_text(page, encoding="utf-8")


def words_of(tables: Tables, experiment: Experiment) -> str:
    """The report in Markdown."""
    in_view = [section.words(tables, experiment) for section in IN_VIEW]
    hidden = [folded(section.words(tables, experiment)) for section in FOLDED]
    return paragraphs(*in_view, "## More", *hidden, _closing(experiment))


def _closing(experiment: Experiment) -> str:
    links = ", ".join(f"[{Path(name).name}.csv]({name}.csv)" for name in table_columns())
    return (
        f"Data of all tables and pictures: {links}. `python -m stages.commands.draw --dataset {experiment.dataset}` "
        "makes this report anew from them. All metrics: [metrics.json](metrics.json)."
    )


@contextmanager
def new_report(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; if the block succeeds, what is in it replaces what has its name in `folder`.

    Files and folders are replaced as a whole; what a user keeps beside them stays.
    """
    with temporary_folder(folder) as temporary:
        yield temporary
        for path in sorted(temporary.iterdir()):
            with (whole_folder if path.is_dir() else whole_file)(folder / path.name) as target:
                path.replace(target)
