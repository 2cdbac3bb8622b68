"""Write a data set's report: tables, figures, headline.json and metrics.json.

python -m stages.report --dataset ml-latest-small
"""

import sys

from stages.config.reader import read_params
from stages.reporting.drawing import draw_report, new_report, read_studies, read_tables, write_tables
from stages.reporting.experiment import describe
from stages.reporting.headline import headline
from stages.reporting.load_results import load_results, warn_of_leftovers
from stages.reporting.results import Results
from stages.reporting.sections.split import differences
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.facts import recorded
from stages.run.json_files import write_json


def report(dataset: Dataset) -> None:
    """Collect the results of every row in params.yaml and write the report."""
    params = read_params()
    if not params.models:
        raise UserError("params.yaml has no models, so there is nothing to report; restore an entry under models")
    with recorded(dataset, "report"):
        experiment = describe(params, dataset)
        results = load_results(params, dataset)
        warn_of_leftovers(params, dataset)
        with new_report(paths.report(dataset)) as folder:
            write_tables(results, folder)
            tables = read_tables(folder)  # text and figures are always made from the written tables
            tables = {**tables, **read_studies(paths.report(dataset), experiment.fit_studies)}
            draw_report(tables, experiment, folder)
            digits = params.report.digits
            numbers = headline(tables["plots/frontier"], tables["figures/gains"], digits)
            write_json(numbers, folder / "headline.json")
            write_json({"rows": _metrics(results, digits)}, folder / "metrics.json")
    for difference in differences(tables, experiment):
        print(f"WARNING: this is not the published split: {difference}", file=sys.stderr)
    print(f"{paths.report(dataset) / 'report.md'}: {len(results.rows)} rows of {experiment.title}")


def _metrics(results: Results, digits: int) -> dict[str, dict[str, float]]:
    """The metrics and the bytes per user of every row, rounded."""
    return {
        row.name: {
            **{metric: round(row.mean(metric), digits) for metric in results.metrics},
            "bytes_per_user": round(row.bytes_per_user, digits),
        }
        for row in results.rows
    }


if __name__ == "__main__":
    run(report)
