"""Choose how a model is trained on a data set, on the validation users; a stopped sweep resumes where it was.

python -m stages.commands.sweep --dataset ml-latest-small --model dae-200

Writes reports/<dataset>/sweeps/<model>/: trials.csv, sweep.png, sweep.md, and params.patch, which `git apply` accepts.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from stages.assembly.sessions import fingerprint_of, new_training, threads_of
from stages.commands.sweep_results import (
    DIVERGED,
    FINISHED,
    STOPPED_EARLY,
    TO_THE_END,
    in_words,
    write_results,
)
from stages.config.checks import check_split
from stages.config.params import Params, Recipe
from stages.config.reader import read_params
from stages.interfaces.split import Split, load_split
from stages.models.device import choose_device, describe, side_by_side
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.digests import damaged
from stages.run.errors import DivergedError, UserError
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.json_files import read_json, write_json
from stages.run.locks import locked
from stages.run.memory import keep_freed_memory

TRIALS = "trials.json"
WORST = 0.0  # NDCG@100 reported to the sampler for a training that diverged


def sweep(dataset: Dataset, model: Model) -> None:
    """Try learning rates, L2 weights and epochs within the ranges in params.yaml, and write the best."""
    params = read_params()
    recipe = params.recipe(dataset, model)
    if model not in params.dataset(dataset).models:
        raise UserError(
            f"datasets.{dataset}.models in params.yaml has no line for the best values; add '{model}: {{}}'"
        )
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    trials = _folder(params, dataset, model, recipe, device)
    ranges = {name: _distribution(*bounds) for name, bounds in params.search(dataset).ranges().items()}
    with locked(paths.sweep(dataset, model)), recorded(dataset, f"sweep-{model}") as facts:
        facts |= describe(device)
        study = _study(params, dataset, model, ranges, trials)
        while (done := len(study.get_trials(states=FINISHED))) < params.sweep.trials:
            # Seeded for each trial, so that a resumed sweep draws the same values as an uninterrupted one.
            study.sampler = optuna.samplers.TPESampler(
                seed=params.sweep.seed + done, n_startup_trials=params.sweep.startup_trials
            )
            trial = study.ask(ranges)
            outcome = _run(study, trial, params, dataset, _changed(recipe, trial.params), split, device)
            _save(study, trials)
            print(f"trial {done + 1} of {params.sweep.trials}: {in_words(trial.params)}  {outcome}", flush=True)
    write_results(study, params, dataset, model)


def _distribution(low: float, high: float) -> BaseDistribution:
    if isinstance(low, int):
        return IntDistribution(low, int(high), log=True)
    return FloatDistribution(low, high, log=True)


def _changed(recipe: Recipe, chosen: dict[str, float]) -> Recipe:
    """The recipe with the values of a trial."""
    of_model = {name: value for name, value in chosen.items() if name != "epochs"}
    settings = recipe.settings.model_copy(update=of_model)
    return recipe._replace(settings=settings, epochs=int(chosen.get("epochs", recipe.epochs)))


def _folder(params: Params, dataset: str, model: str, recipe: Recipe, device: torch.device) -> Path:
    """Where the finished trials of the same data, code, search and other parameters are."""
    search = params.search(dataset)
    others = _changed(recipe, dict.fromkeys(search.ranges(), 0))
    decisive = params.sweep.model_dump() | search.model_dump()
    del decisive["trials"]  # more of them go on
    fingerprint = fingerprint_of(params, dataset, others, search.seeds[0], device) + json.dumps(decisive)
    return paths.sweep(dataset, model) / hashlib.sha256(fingerprint.encode()).hexdigest()


def _study(
    params: Params, dataset: str, model: str, ranges: Mapping[str, BaseDistribution], folder: Path
) -> optuna.Study:
    """A study with the finished trials; without any, it starts as under models.

    So what was accepted of an earlier sweep changes nothing: the same sweep ends in the same values.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(params.sweep.startup_trials, params.sweep.warmup_epochs)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    if folder.exists():
        study.add_trials(_load(folder / TRIALS, ranges))
        return study
    entry, epochs = params.trained(model), params.dataset(dataset).training.epochs
    first = {"learning_rate": entry.learning_rate, "l2": entry.l2, "epochs": epochs}
    first = {name: first[name] for name in ranges}
    if all(low <= first[name] <= high for name, (low, high) in params.search(dataset).ranges().items()):
        study.enqueue_trial(first)
    else:
        print(f"{in_words(first)}, as under models, is outside the ranges of the sweep and is not tried")
    return study


def _save(study: optuna.Study, folder: Path) -> None:
    trials = [
        {
            "state": trial.state.name,
            "value": trial.value,
            "params": trial.params,
            "intermediate_values": trial.intermediate_values,
            "user_attrs": trial.user_attrs,
        }
        for trial in study.get_trials(states=FINISHED)
    ]
    with whole_folder(folder) as temporary:
        write_json({"trials": trials}, temporary / TRIALS)


def _load(path: Path, ranges: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """The trials that `_save` wrote; UserError where the file is damaged."""
    try:
        return [
            create_trial(
                state=TrialState[trial["state"]],
                value=trial["value"],
                params=trial["params"],
                distributions=dict(ranges),
                intermediate_values={int(epoch): ndcg for epoch, ndcg in trial["intermediate_values"].items()},
                user_attrs=trial["user_attrs"],
            )
            for trial in read_json(path, "sweep", dict[str, list[dict[str, Any]]])["trials"]
        ]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise damaged(path, "holds no trials", "sweep") from error


def _run(
    study: optuna.Study,
    trial: Trial,
    params: Params,
    dataset: str,
    recipe: Recipe,
    split: Split,
    device: torch.device,
) -> str:
    """Train all seeds, epoch by epoch, to the end or until their mean is below the median; the outcome in words."""
    seeds = params.search(dataset).seeds
    trainings = [new_training(params, dataset, recipe, seed, split, device) for seed in seeds]
    runs, threads = [training.run(iter) for training in trainings], threads_of(params, dataset, recipe, split, device)
    best = WORST
    try:
        for _ in range(recipe.epochs):
            epochs = side_by_side(next, runs, threads)
            # With codebooks, the best since they started: earlier epochs are in float32.
            best = fmean(training.best_ndcg for training in trainings)
            trial.set_user_attr("best_ndcg", best)
            number, ndcg = epochs[0].epoch, fmean(epoch.validation_ndcg for epoch in epochs)
            trial.report(ndcg, number)
            if trial.should_prune():
                trial.set_user_attr("outcome", STOPPED_EARLY)
                study.tell(trial, state=TrialState.PRUNED)
                return f"stopped after epoch {number} at NDCG@100 {ndcg:.4f}"
    except DivergedError as error:  # these values are bad, but the sweep goes on
        trial.set_user_attr("outcome", DIVERGED)
        study.tell(trial, WORST)
        return str(error)
    trial.set_user_attr("outcome", TO_THE_END)
    study.tell(trial, best)
    return f"NDCG@100 {best:.4f}"


if __name__ == "__main__":
    run(sweep)
