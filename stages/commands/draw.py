"""Redraw a report from its CSV files and params.yaml: report.md, frontier.html and the figures.

python -m stages.commands.draw --dataset ml-latest-small
"""

import shutil

from stages.config.reader import read_params
from stages.reporting.drawing import FOLDERS, draw_report, new_report, read_studies, read_tables, table_columns
from stages.reporting.experiment import describe
from stages.run import paths
from stages.run.command_line import Dataset, run


def draw(dataset: Dataset) -> None:
    """Rewrite the report's text and figures; this needs no results, and leaves the JSON files unchanged."""
    experiment = describe(read_params(), dataset)
    report = paths.report(dataset)
    tables = {**read_tables(report), **read_studies(report, experiment.fit_studies)}
    with new_report(report) as folder:
        for name in FOLDERS:
            (folder / name).mkdir()
        for name in table_columns():
            shutil.copyfile(report / f"{name}.csv", folder / f"{name}.csv")
        draw_report(tables, experiment, folder)
    print(report / "report.md")


if __name__ == "__main__":
    run(draw)
