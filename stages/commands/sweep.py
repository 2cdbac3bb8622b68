"""Choose a model's learning rate and L2 on the validation users; a sweep that is stopped goes on where it was.

python -m stages.commands.sweep --dataset ml-latest-small --model dae-200

Writes reports/<dataset>/sweeps/<model>/: trials.csv, sweep.png, sweep.md, and params.patch, which `git apply` accepts.
"""

import difflib
import re

import optuna
import pandas as pd
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from stages.assembly.sessions import fingerprint_of, new_training
from stages.config import model as schema
from stages.config.params import PATH, Params, read_params
from stages.interactions.protocol.strong_generalization import Split
from stages.interfaces.batches import keep_freed_memory
from stages.interfaces.split import load_split
from stages.models.build import choose_device
from stages.reporting.figures import draw_sweep
from stages.reporting.tables import markdown
from stages.run import paths
from stages.run.command_line import Dataset, Model, run
from stages.run.errors import DivergedError
from stages.run.records import machine

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def sweep(dataset: Dataset, model: Model) -> None:
    """Try learning rates and L2 weights within the ranges in params.yaml, and write which was best on validation."""
    params = read_params()
    settings = params.model(model)
    split = load_split(paths.split(dataset))
    params.check_split(*split.train.shape)
    device = choose_device(params.device)
    keep_freed_memory()
    study = _open(params, dataset, model, settings, device)
    while (done := len(study.get_trials(states=FINISHED))) < params.sweep.trials:
        # By number, not once: a sweep that goes on draws what it would have drawn.
        study.sampler = optuna.samplers.TPESampler(
            seed=params.sweep.seed + done, n_startup_trials=params.sweep.startup_trials
        )
        trial = study.ask()
        chosen = {name: trial.suggest_float(name, low, high, log=True) for name, (low, high) in _ranges(params).items()}
        stopped = _run(study, trial, params, dataset, settings.model_copy(update=chosen), split, device)
        print(f"trial {done + 1} of {params.sweep.trials}: {_said(chosen)}  {stopped}", flush=True)
    _write(study, params, dataset, model, settings)


def _open(params: Params, dataset: str, model: str, settings: schema.Model, device: torch.device) -> optuna.Study:
    """The sweep's trials so far, of the same data, code and other parameters; none at first but today's values."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = paths.sweep(dataset, model)
    path.parent.mkdir(parents=True, exist_ok=True)
    others = settings.model_copy(update={"learning_rate": 0.0, "l2": 0.0})
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=fingerprint_of(params, dataset, others, params.seeds[0], device),
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(params.sweep.startup_trials, params.sweep.warmup_epochs),
    )
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
        study.enqueue_trial(killed.params)
    if not study.trials:
        today = {"learning_rate": settings.learning_rate, "l2": settings.l2}
        if all(low <= today[name] <= high for name, (low, high) in _ranges(params).items()):
            study.enqueue_trial(today)
        else:
            print(f"{_said(today)}, as in params.yaml, is outside the ranges under sweep there and is not tried")
    return study


def _ranges(params: Params) -> dict[str, list[float]]:
    return {"learning_rate": params.sweep.learning_rate, "l2": params.sweep.l2}


def _run(
    study: optuna.Study,
    trial: Trial,
    params: Params,
    dataset: str,
    settings: schema.Model,
    split: Split,
    device: torch.device,
) -> str:
    """Train with these settings until the end, or until other trials were better by then; say which."""
    training = new_training(params, dataset, settings, params.seeds[0], split, device)
    try:
        for epoch in training.run(iter):
            trial.report(epoch.validation_ndcg, epoch.epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return f"stopped after epoch {epoch.epoch} at NDCG@100 {epoch.validation_ndcg:.4f}"
    except DivergedError as error:  # bad values, but no reason to end the sweep
        study.tell(trial, 0.0)
        return str(error)
    study.tell(trial, training.best_ndcg)
    return f"NDCG@100 {training.best_ndcg:.4f}"


def _write(study: optuna.Study, params: Params, dataset: str, model: str, settings: schema.Model) -> None:
    trials = pd.DataFrame(
        [
            {
                **trial.params,
                "validation_ndcg": max(trial.intermediate_values.values(), default=0.0),
                "epochs": len(trial.intermediate_values),
                "stopped_early": trial.state == TrialState.PRUNED,
            }
            for trial in study.get_trials(states=FINISHED)
        ]
    ).sort_values("validation_ndcg", ascending=False, ignore_index=True)
    best = {name: float(f"{study.best_params[name]:.2g}") for name in ("learning_rate", "l2")}
    folder = paths.report(dataset) / "sweeps" / model
    with paths.whole_folder(folder) as temporary:
        trials.to_csv(temporary / "trials.csv", index=False, float_format="%.6g")
        draw_sweep(trials, settings.learning_rate, settings.l2, temporary / "sweep.png")
        (temporary / "params.patch").write_text(_patch(PATH.read_text(), model, best))
        (temporary / "sweep.md").write_text(_page(trials, params, dataset, model, best))
    print(f"{folder}/sweep.md: best {_said(best)}, NDCG@100 {study.best_value:.4f} on validation users")
    print(f"accept it with: git apply {folder}/params.patch")


def _patch(text: str, model: str, best: dict[str, float]) -> str:
    """A unified diff of params.yaml that sets the model's values; the rest, comments included, stays."""
    start = text.index(f"\n  {model}:", text.index("\nmodels:"))
    end = re.compile(r"\n {0,2}\S").search(text, start + len(model) + 4)
    block = text[start : end.start()] if end else text[start:]
    changed = block
    for name, value in best.items():
        changed = re.sub(rf"(\n    {name}: )[^\s#]+", rf"\g<1>{value!r}", changed)
    new = text.replace(block, changed, 1)
    return "".join(difflib.unified_diff(text.splitlines(True), new.splitlines(True), f"a/{PATH}", f"b/{PATH}"))


def _page(trials: pd.DataFrame, params: Params, dataset: str, model: str, best: dict[str, float]) -> str:
    shown = trials.assign(
        learning_rate=trials["learning_rate"].map("{:.2e}".format),
        l2=trials["l2"].map("{:.3f}".format),
        validation_ndcg=trials["validation_ndcg"].map("{:.4f}".format),
        stopped_early=trials["stopped_early"].map({True: "yes", False: "–"}),
    ).rename(columns={"learning_rate": "learning rate", "l2": "L2", "validation_ndcg": "NDCG@100 on validation",
                      "stopped_early": "stopped early"})  # fmt: skip
    facts = machine()
    ranges = ", ".join(
        f"{name.replace('_', ' ')} from {low:g} to {high:g}" for name, (low, high) in _ranges(params).items()
    )
    return "\n".join(
        [
            f"# Sweep of {model} on {params.dataset(dataset).title}",
            "",
            f"Best on the validation users: **{_said(best)}**. The test users were not looked at.",
            f"`git apply {paths.report(dataset)}/sweeps/{model}/params.patch` puts it into params.yaml.",
            "",
            "![NDCG@100 of each trial by learning rate and L2](sweep.png)",
            "",
            markdown(shown),
            "",
            f"Searched: {ranges} (l2 is divided by the batch size), by Optuna's TPE, seed {params.sweep.seed};",
            f"training seed {params.seeds[0]}. A trial is stopped early when it is below the median of the others",
            "at the same epoch.",
            "",
            f"Code {facts['revision']}; {facts['cpu']}, {facts['cores']} cores; Python {facts['python']}, "
            f"Optuna {optuna.__version__}, PyTorch {torch.__version__}.",
            "",
        ]
    )


def _said(values: dict[str, float]) -> str:
    return f"learning rate {values['learning_rate']:.2g}, L2 {values['l2']:.2g}"


if __name__ == "__main__":
    run(sweep)
