"""The report's title, and what to beware of."""

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.sections.split import differences
from stages.reporting.wording import paragraphs
from stages.run.text import literal


def words(tables: Tables, experiment: Experiment) -> str:
    """The title, then a quoted warning for each reason to mistrust the numbers."""
    title, warnings = literal(experiment.title), []
    if experiment.is_made_up:
        title = f"synthetic data, {title}"
        warnings.append(
            "> **The ratings are made up, with long tails. This report rehearses a run, whose time and memory are in "
            "[run.md](run.md). It says nothing about accuracy on real users.**"
        )
    different = differences(tables, experiment)
    if experiment.published and different:
        warnings.append(
            "\n".join(
                [
                    f"> **WARNING: the split is not that of {literal(experiment.published.by)}, so no row can be "
                    "compared with published values.**",
                    *(f"> - {line}" for line in different),
                ]
            )
        )
    if experiment.caution:
        warnings.append(f"> **{literal(experiment.caution)}**")
    if not experiment.compare_with_paper:
        warnings.append(
            "> **No row here is of MovieLens-20M, on which the paper measured its Table 1; this report does not "
            "reproduce that table.**"
        )
    return paragraphs(f"# Bytes per user against accuracy: {title}", *warnings)
