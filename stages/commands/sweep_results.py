"""Results of a sweep: its trials as a table and a figure, a page, and a patch of params.yaml."""

from collections.abc import Mapping
from functools import partial

import optuna
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from optuna.trial import TrialState

from stages.commands.params_patch import patch
from stages.config.params import Params
from stages.config.reader import PATH
from stages.reporting.figures import COLOURS, WIDTH, Theme, title, write_picture
from stages.reporting.tables import markdown
from stages.reporting.wording import listing, picture
from stages.run import paths
from stages.run.errors import UserError
from stages.run.files import whole_folder
from stages.run.text import literal
from stages.run.yaml import read_text

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
TO_THE_END, STOPPED_EARLY, DIVERGED = "trained to its end", "stopped early", "diverged"
MARKERS = {TO_THE_END: "o", STOPPED_EARLY: "x", DIVERGED: "v"}


WORDS = {"learning_rate": "learning rate", "l2": "L2", "epochs": "epochs"}


def in_words(values: Mapping[str, float]) -> str:
    """What was searched as text, rounded."""
    return ", ".join(f"{WORDS[name]} {value:.2g}" for name, value in values.items())


def trials_of(study: optuna.Study) -> pd.DataFrame:
    """A line for each finished trial, the best first.

    Its columns are what was searched, validation_ndcg, trained_epochs and outcome. validation_ndcg is the best NDCG@100
    of the trial, of a model with codebooks since these started; 0 where the training diverged.
    """
    return pd.DataFrame(
        [
            {
                **trial.params,
                "validation_ndcg": trial.value if trial.state == TrialState.COMPLETE else trial.user_attrs["best_ndcg"],
                "trained_epochs": len(trial.intermediate_values),
                "outcome": trial.user_attrs["outcome"],
            }
            for trial in study.get_trials(states=FINISHED)
        ]
    ).sort_values("validation_ndcg", ascending=False, ignore_index=True)


def best_of(trials: pd.DataFrame) -> dict[str, float]:
    """What was searched, of the best trial and rounded; trials : result of `trials_of`.

    A trial that was stopped early counts as well: trained to its end, it would have kept the same epoch, or a better.
    """
    found = {name: trials[name][0].item() for name in WORDS if name in trials}
    return {name: value if isinstance(value, int) else float(f"{value:.2g}") for name, value in found.items()}


def write_results(study: optuna.Study, params: Params, dataset: str, model: str) -> None:
    """Write trials.csv, sweep.png, sweep.md and, unless params.yaml has the best values, params.patch; print them."""
    recipe = params.recipe(dataset, model)
    today = {"learning_rate": recipe.settings.learning_rate, "l2": recipe.settings.l2, "epochs": recipe.epochs}
    trials = trials_of(study)
    best = best_of(trials)
    folder = paths.report(dataset) / "sweeps" / model
    patched, how = "", f"{PATH} has these values already."
    if best != {name: today[name] for name in best}:
        how = (
            f"`git apply {folder}/params.patch` puts it into {PATH}; after an edit there, run this command again first."
        )
        try:
            patched = patch(read_text(PATH), PATH, dataset, model, best)
        except UserError as error:
            how = f"{error}."
    with whole_folder(folder, with_digests=False) as temporary:
        trials.to_csv(temporary / "trials.csv", index=False, float_format="%.6g")
        write_picture("sweep", partial(_draw, trials, today), temporary)
        if patched:
            (temporary / "params.patch").write_text(patched, encoding="utf-8", newline="")
        (temporary / "sweep.md").write_text(_page(trials, params, dataset, model, best, how), encoding="utf-8")
    print(f"{folder}/sweep.md: best {in_words(best)}, NDCG@100 {trials['validation_ndcg'][0]:.4f} on validation users")
    print(f"datasets.{dataset}.models.{model}: {', '.join(f'{name}: {value!r}' for name, value in best.items())}")
    print(how)


def _page(trials: pd.DataFrame, params: Params, dataset: str, model: str, best: dict[str, float], how: str) -> str:
    """Parameters: how: what to do to accept the best values."""
    shown = trials.assign(
        learning_rate=trials["learning_rate"].map("{:.2e}".format),
        l2=trials["l2"].map("{:.3f}".format),
        validation_ndcg=trials["validation_ndcg"].map("{:.4f}".format),
    ).rename(columns=WORDS | {"validation_ndcg": "NDCG@100 on validation", "trained_epochs": "trained epochs"})
    search = params.search(dataset)
    ranges = ", ".join(f"{WORDS[name]} from {low:g} to {high:g}" for name, (low, high) in search.ranges().items())
    return "\n".join(
        [
            f"# Sweep of {model} on {literal(params.dataset(dataset).title)}",
            "",
            f"Best on the validation users: **{in_words(best)}**. The test users were not looked at.",
            how,
            "",
            picture("sweep", "NDCG@100 of each trial by what was searched", folder="."),
            "",
            markdown(shown),
            "",
            f"Searched: {ranges} (l2 is divided by the batch size), by Optuna's TPE, seed {params.sweep.seed};",
            f"means of training seeds {listing(search.seeds)}. A trial is stopped early when it is below the median of",
            "the others at the same epoch.",
            "",
        ]
    )


def _draw(trials: pd.DataFrame, today: Mapping[str, float], theme: Theme) -> Figure:
    """NDCG@100 of each trial, a panel for each value that was searched.

    Parameters
    ----------
    trials : columns of what was searched, validation_ndcg, outcome
    today : values in params.yaml
    """
    searched = [name for name in WORDS if name in trials]
    figure = Figure(figsize=(WIDTH, 3.4))
    title(
        figure,
        theme,
        f"Which {', '.join(WORDS[name] for name in searched)}?",
        "A point is a trial; higher is better. Trials that diverged are at the foot.",
    )
    panels = figure.subplots(1, len(searched), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(0.072, 0.23, 0.99, 0.82, wspace=0.08)
    ended = trials.loc[trials["outcome"] != DIVERGED, "validation_ndcg"]
    foot = ended.min() - 0.1 * (ended.max() - ended.min()) if len(ended) else 0
    for axes, name in zip(panels, searched, strict=True):
        for (outcome, marker), colour in zip(MARKERS.items(), COLOURS, strict=False):
            shown = trials[trials["outcome"] == outcome]
            height = shown["validation_ndcg"].clip(lower=foot)
            axes.scatter(shown[name], height, marker=marker, color=colour, s=25, label=outcome)
        if today[name] > 0:
            axes.axvline(today[name], color=theme.quiet, linestyle=":", linewidth=1, label="in params.yaml")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if trials[name].max() < 100 * trials[name].min() else (1,)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(WORDS[name] + (", divided by the batch size" if name == "l2" else ""))
    panels[0].set_ylabel("best NDCG@100 on validation users")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="lower left", ncols=4, bbox_to_anchor=(0.06, 0))
    return figure
