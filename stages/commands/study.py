"""Train variants of a model and compare them on the validation users; what was trained before is not trained again.

python -m stages.commands.study --dataset ml-latest-small --study ablation

Writes reports/<dataset>/studies/<study>.csv and .md.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from stages.assembly.sessions import fingerprint_of, new_training, run_to_the_end
from stages.config import model as schema
from stages.config.params import Params, read_params
from stages.interactions.protocol.strong_generalization import Split
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.split import load_split
from stages.models.build import choose_device, in_form
from stages.ranking.evaluation import evaluate
from stages.reporting.tables import markdown
from stages.run import paths
from stages.run.command_line import Dataset, Study, run
from stages.run.records import machine
from stages.statistics.bootstrap import Bootstrap


class Result(NamedTuple):
    """One variant in one form, means over seeds."""

    variant: str
    form: int | str | None
    ndcg: np.ndarray
    """float64 (n_validation_users,)."""
    seconds: float
    """Of a training; 0 where all were trained before."""


def study(dataset: Dataset, study: Study) -> None:
    """Train every variant once per seed, and write a table of their NDCG@100 on the validation users."""
    params = read_params()
    variants = params.variants(study)
    split = load_split(paths.split(dataset))
    params.check_split(*split.train.shape)
    device = choose_device(params.device)
    keep_freed_memory()
    results = [
        result
        for name, settings in variants.items()
        for result in _results(params, dataset, name, settings, split, device)
    ]
    table = _table(results, Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed))
    path = paths.report(dataset) / "studies" / f"{study}.md"
    facts = machine()
    page = [
        f"# {study}: variants of {params.studies[study].model} on {params.dataset(dataset).title}",
        "",
        markdown(table),
        "",
        f"NDCG@100 on {len(results[0].ndcg):,} validation users, means of seeds {', '.join(map(str, params.seeds))}; "
        "the difference is to the first variant of the same form, with its 95 % confidence interval, paired by user. "
        "The test users were not looked at.",
        "",
        f"Code {facts['revision']}; {facts['cpu']}, {facts['cores']} cores; Python {facts['python']}, "
        f"PyTorch {torch.__version__}.",
        "",
    ]
    with paths.whole_file(path.with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False)
    with paths.whole_file(path) as temporary:
        temporary.write_text("\n".join(page))
    print(markdown(table))
    print(path)


def _results(
    params: Params, dataset: str, variant: str, settings: schema.Model, split: Split, device: torch.device
) -> Iterator[Result]:
    """Those of all forms of a variant; a training whose result is there already is left out."""
    of_seeds: list[dict[str, np.ndarray]] = []
    seconds = []
    for seed in params.seeds:
        fingerprint = fingerprint_of(params, dataset, settings, seed, device)
        result = paths.variant(dataset, fingerprint)
        if not result.exists():
            print(f"{variant}, seed {seed}", flush=True)
            training = new_training(params, dataset, settings, seed, split, device)
            checkpoint = result.with_suffix(".checkpoint")
            facts = run_to_the_end(training, checkpoint, fingerprint, params.training.checkpoint_epochs)
            training.model.load_state_dict(training.best_weights)
            codec = training.model.codec()
            values = {
                str(form): evaluate(
                    training.model, in_form(codec, form), split.validation, params.evaluation.batch_size
                )["ndcg@100"].to_numpy()
                for form in settings.forms
            }
            with paths.whole_file(result) as temporary, temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, seconds=np.array(facts["seconds"]), **values)
            checkpoint.unlink(missing_ok=True)
        with np.load(result) as arrays:
            of_seeds.append(dict(arrays))
            seconds.append(float(arrays["seconds"]))
    for form in settings.forms:
        ndcg = np.mean([values[str(form)] for values in of_seeds], axis=0)
        yield Result(variant, form, ndcg, float(np.median(seconds)))


def _table(results: list[Result], bootstrap: Bootstrap) -> pd.DataFrame:
    first: dict[int | str | None, np.ndarray] = {}
    lines = []
    for variant, form, ndcg, seconds in results:
        base = first.setdefault(form, ndcg)
        difference = "–"
        if base is not ndcg:
            value, low, high = bootstrap.difference(ndcg, base)
            difference = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        lines.append(
            {
                "variant": variant,
                "stored": f"{form} bytes" if isinstance(form, int) else form or "all",
                "NDCG@100": f"{ndcg.mean():.4f}",
                "difference (95 % CI)": difference,
                "a training": f"{seconds:,.1f} s",
            }
        )
    return pd.DataFrame(lines)


if __name__ == "__main__":
    run(study)
