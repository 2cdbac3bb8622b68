"""Train variants of a model, or fit its codes in several ways, and compare them on the validation users.

Finished trainings and fits are not repeated.

python -m stages.commands.study --dataset ml-latest-small --study ablation

Writes reports/<dataset>/studies/<study>.csv and .md.
"""

from collections.abc import Iterator

import numpy as np

from stages.assembly.studied import Bench
from stages.commands.study_results import StudiedRow, write_fits, write_study
from stages.config.checks import check_split
from stages.config.quantizer import ProductSettings
from stages.config.reader import read_params
from stages.config.study import FitStudySettings
from stages.interfaces.split import load_split
from stages.models.device import choose_device, describe
from stages.reporting.sections.paper_gap import FLOAT, FittedRow
from stages.run import paths
from stages.run.command_line import Dataset, Study, run
from stages.run.facts import recorded
from stages.run.memory import keep_freed_memory


def study(dataset: Dataset, study: Study) -> None:
    """Train every variant once per seed, and write a table of its NDCG@100 on the validation users."""
    params = read_params()
    settings = params.studies[study]
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [settings.model])
    bench = Bench(params, dataset, split, choose_device(params.device))
    keep_freed_memory()
    trainings: dict[str, list[dict[str, float]]] = {}
    with recorded(dataset, f"study-{study}") as facts:
        facts |= describe(bench.device) | {"precision": params.precision(dataset)}
        if isinstance(settings, FitStudySettings):
            fitted = list(_fitted_rows(bench, study, settings, trainings))
        else:
            studied = list(_studied_rows(bench, study, trainings))
        facts["trainings"] = {f"{study}: {name}": of_seeds for name, of_seeds in trainings.items()}
    if isinstance(settings, FitStudySettings):
        write_fits(params, dataset, study, fitted)
    else:
        write_study(params, dataset, study, studied)


def _studied_rows(bench: Bench, study: str, trainings: dict[str, list[dict[str, float]]]) -> Iterator[StudiedRow]:
    """The rows of all variants in which models are stored; run facts of their trainings are put into `trainings`."""
    params = bench.params
    for name, recipe in params.study_variants(study, bench.dataset).items():
        of_seeds = bench.trainings(name, recipe)
        trainings[name] = [training.facts for training in of_seeds]
        for variant in recipe.settings.variants:
            yield StudiedRow(name, variant, np.stack([training.ndcg[str(variant)] for training in of_seeds]))


def _fitted_rows(
    bench: Bench, study: str, settings: FitStudySettings, trainings: dict[str, list[dict[str, float]]]
) -> Iterator[FittedRow]:
    """The rows of all variants in float and by each quantizer; `trainings` as in `_studied_rows`."""
    params = bench.params
    known = set()
    for model, name, recipe, fit in params.fit_variants(study, bench.dataset):
        of_seeds = bench.trainings(f"{model}, {name}", recipe)
        fingerprint = of_seeds[0].fingerprint
        if fingerprint not in known:  # other variants change the fit alone
            trainings[f"{model}, {name}"] = [training.facts for training in of_seeds]
            known.add(fingerprint)
        first = str(recipe.settings.variants[0])
        yield FittedRow(model, name, FLOAT, np.stack([training.ndcg[first] for training in of_seeds]))
        for quantizer in settings.quantizers:
            entry = params.quantizer(quantizer)
            assert isinstance(entry, ProductSettings), "params.yaml was checked"
            yield FittedRow(model, name, quantizer, bench.fits(of_seeds, recipe, fit, entry))


if __name__ == "__main__":
    run(study)
