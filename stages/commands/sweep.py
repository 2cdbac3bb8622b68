"""Choose a model's learning rate and L2 on the validation users; a stopped sweep resumes where it was.

python -m stages.commands.sweep --dataset ml-latest-small --model dae-200

Writes reports/<dataset>/sweeps/<model>/: trials.csv, sweep.png, sweep.md, and params.patch, which `git apply` accepts.
"""

import json

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from stages.assembly.sessions import fingerprint_of, new_training
from stages.commands.sweep_results import (
    DIVERGED,
    FINISHED,
    STOPPED_EARLY,
    TO_THE_END,
    in_words,
    ranges_of,
    write_results,
)
from stages.config.checks import check_split
from stages.config.model import ModelSettings
from stages.config.params import Params
from stages.config.reader import read_params
from stages.interfaces.split import Split, load_split
from stages.models.device import choose_device, describe
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.errors import DivergedError
from stages.run.facts import recorded
from stages.run.memory import keep_freed_memory

WORST = 0.0  # NDCG@100 reported to the sampler for a training that diverged


def sweep(dataset: Dataset, model: Model) -> None:
    """Try learning rates and L2 weights within the ranges in params.yaml, and write the best on validation users."""
    params = read_params()
    settings = params.model(model)
    split = load_split(paths.split(dataset))
    check_split(params, *split.train.shape, [model])
    device = choose_device(params.device)
    keep_freed_memory()
    ranges = ranges_of(params.sweep)
    study = _open(params, dataset, model, settings, device)
    with recorded(dataset, f"sweep-{model}") as facts:
        facts |= describe(device)
        while (done := len(study.get_trials(states=FINISHED))) < params.sweep.trials:
            # Seeded for each trial, so that a resumed sweep draws the same values as an uninterrupted one.
            study.sampler = optuna.samplers.TPESampler(
                seed=params.sweep.seed + done, n_startup_trials=params.sweep.startup_trials
            )
            trial = study.ask()
            chosen = {name: trial.suggest_float(name, low, high, log=True) for name, (low, high) in ranges.items()}
            outcome = _run(study, trial, params, dataset, settings.model_copy(update=chosen), split, device)
            print(f"trial {done + 1} of {params.sweep.trials}: {in_words(chosen)}  {outcome}", flush=True)
    write_results(study, params, dataset, model)


def _open(params: Params, dataset: str, model: str, settings: ModelSettings, device: torch.device) -> optuna.Study:
    """Load the trials of the same data, code, ranges and other parameters; a new sweep starts with today's values."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = paths.sweep(dataset, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    others = settings.model_copy(update={"learning_rate": 0.0, "l2": 0.0})
    ranges = ranges_of(params.sweep)
    fingerprint = fingerprint_of(params, dataset, others, params.seeds[0], device)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=f"{fingerprint} {json.dumps(ranges)}",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(params.sweep.startup_trials, params.sweep.warmup_epochs),
    )
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
        study.enqueue_trial(killed.params)
    if not study.trials:
        today = {"learning_rate": settings.learning_rate, "l2": settings.l2}
        if all(low <= today[name] <= high for name, (low, high) in ranges.items()):
            study.enqueue_trial(today)
        else:
            print(f"{in_words(today)}, as in params.yaml, is outside the ranges under sweep there and is not tried")
    return study


def _run(
    study: optuna.Study,
    trial: Trial,
    params: Params,
    dataset: str,
    settings: ModelSettings,
    split: Split,
    device: torch.device,
) -> str:
    """Train to the end, or until the trial is below the median of the others; return the outcome in words."""
    training = new_training(params, dataset, settings, params.seeds[0], split, device)
    try:
        for epoch in training.run(iter):
            # With codebooks, the best since they started: earlier epochs are in float32.
            trial.set_user_attr("best_ndcg", training.best_ndcg)
            trial.report(epoch.validation_ndcg, epoch.epoch)
            if trial.should_prune():
                trial.set_user_attr("outcome", STOPPED_EARLY)
                study.tell(trial, state=TrialState.PRUNED)
                return f"stopped after epoch {epoch.epoch} at NDCG@100 {epoch.validation_ndcg:.4f}"
    except DivergedError as error:  # these values are bad, but the sweep goes on
        trial.set_user_attr("outcome", DIVERGED)
        study.tell(trial, WORST)
        return str(error)
    trial.set_user_attr("outcome", TO_THE_END)
    study.tell(trial, training.best_ndcg)
    return f"NDCG@100 {training.best_ndcg:.4f}"


if __name__ == "__main__":
    run(sweep)
