"""Results of a sweep: its trials as a table and a figure, a page, and a patch of params.yaml."""

import difflib
import re
from pathlib import Path

import optuna
import pandas as pd
from matplotlib import pyplot as plt
from optuna.trial import TrialState

from stages.config.model import SweepSettings
from stages.config.params import Params
from stages.config.reader import PATH
from stages.reporting.figures import LINES, save
from stages.reporting.tables import markdown
from stages.run import paths
from stages.run.files import whole_folder

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
TO_THE_END, STOPPED_EARLY, DIVERGED = "trained to its end", "stopped early", "diverged"
MARKERS = {TO_THE_END: "o", STOPPED_EARLY: "x", DIVERGED: "v"}


def ranges_of(settings: SweepSettings) -> dict[str, list[float]]:
    """Lowest and highest value of each parameter that is searched."""
    return {"learning_rate": settings.learning_rate, "l2": settings.l2}


def in_words(values: dict[str, float]) -> str:
    """Learning rate and L2 as text, rounded."""
    return f"learning rate {values['learning_rate']:.2g}, L2 {values['l2']:.2g}"


def trials_of(study: optuna.Study) -> pd.DataFrame:
    """A line for each finished trial, the best first.

    Its columns are learning_rate, l2, validation_ndcg, epochs and outcome. validation_ndcg is the best NDCG@100 of the
    trial, of a model with codebooks since these started; 0 where the training diverged.
    """
    return pd.DataFrame(
        [
            {
                **trial.params,
                "validation_ndcg": trial.value if trial.state == TrialState.COMPLETE else trial.user_attrs["best_ndcg"],
                "epochs": len(trial.intermediate_values),
                "outcome": trial.user_attrs["outcome"],
            }
            for trial in study.get_trials(states=FINISHED)
        ]
    ).sort_values("validation_ndcg", ascending=False, ignore_index=True)


def write_results(study: optuna.Study, params: Params, dataset: str, model: str) -> None:
    """Write trials.csv, sweep.png, sweep.md and params.patch, and print where they are."""
    settings = params.model(model)
    trials = trials_of(study)
    best = {name: float(f"{study.best_params[name]:.2g}") for name in ("learning_rate", "l2")}
    folder = paths.report(dataset) / "sweeps" / model
    with whole_folder(folder) as temporary:
        trials.to_csv(temporary / "trials.csv", index=False, float_format="%.6g")
        _draw(trials, settings.learning_rate, settings.l2, temporary / "sweep.png")
        (temporary / "params.patch").write_text(_patch(PATH.read_text(), model, best))
        (temporary / "sweep.md").write_text(_page(trials, params, dataset, model, best))
    print(f"{folder}/sweep.md: best {in_words(best)}, NDCG@100 {study.best_value:.4f} on validation users")
    print(f"accept it with: git apply {folder}/params.patch")


def _patch(text: str, model: str, best: dict[str, float]) -> str:
    """A unified diff of params.yaml that sets the model's values, and changes nothing else."""
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
    ).rename(columns={"learning_rate": "learning rate", "l2": "L2", "validation_ndcg": "NDCG@100 on validation"})
    ranges = ", ".join(
        f"{name.replace('_', ' ')} from {low:g} to {high:g}" for name, (low, high) in ranges_of(params.sweep).items()
    )
    return "\n".join(
        [
            f"# Sweep of {model} on {params.dataset(dataset).title}",
            "",
            f"Best on the validation users: **{in_words(best)}**. The test users were not looked at.",
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
        ]
    )


def _draw(trials: pd.DataFrame, learning_rate: float, l2: float, path: Path) -> None:
    """Draw NDCG@100 of each trial by learning rate and L2.

    Parameters
    ----------
    trials : columns learning_rate, l2, validation_ndcg, outcome
    learning_rate, l2 : current values in params.yaml
    path : file of the figure
    """
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axes, column, today in zip(panels, ("learning_rate", "l2"), (learning_rate, l2), strict=True):
        for number, (outcome, marker) in enumerate(MARKERS.items()):
            shown = trials[trials["outcome"] == outcome]
            axes.scatter(shown[column], shown["validation_ndcg"], marker=marker, color=LINES[number], label=outcome)
        if today > 0:
            axes.axvline(today, color="#555555", linestyle=":", linewidth=1, label="in params.yaml")
        axes.set_xscale("log")
        axes.set_xlabel({"learning_rate": "learning rate", "l2": "L2, divided by the batch size"}[column])
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("best NDCG@100 on validation users")
    panels[0].legend(fontsize=8)
    save(figure, path)
