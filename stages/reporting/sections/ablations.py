"""Which studies of a model's variants there are; each is run by hand and writes a table of its own."""

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.wording import paragraphs


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """A line per study of params.yaml."""
    if not experiment.studies:
        return ""
    studies = [
        f"- `{study}`, variants of `{model}`: `python -m stages.commands.study --dataset {experiment.dataset} --study "
        f"{study}` writes `studies/{study}.md`"
        for study, model in experiment.studies.items()
    ]
    return paragraphs(
        "## What each idea buys",
        "Ablations compare variants of a model on the validation users, so choosing by them reveals nothing of the "
        "test users. They are run by hand; each command writes its table beside this report:",
        "\n".join(studies),
    )
