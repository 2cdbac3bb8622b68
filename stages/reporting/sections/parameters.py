"""Seeds and settings: what the results can be made again from."""

from stages.reporting.csv_files import Tables
from stages.reporting.experiment import Experiment
from stages.reporting.wording import listing, paragraphs
from stages.run.text import code_block


def words(tables: Tables, experiment: Experiment) -> str:  # noqa: ARG001
    """The seeds, all settings, and where run facts are."""
    quantizers = "".join(f", `{name}` {seed}" for name, seed in experiment.quantizer_seeds.items())
    return paragraphs(
        "## Seeds and parameters",
        f"Seeds: split {experiment.split.seed}; trainings {listing(experiment.seeds)}{quantizers and ';'}"
        f"{quantizers.removeprefix(',')}.",
        code_block(experiment.parameters, "yaml"),
        "What was run, on which machine, and how long it took: [run.md](run.md).",
    )
