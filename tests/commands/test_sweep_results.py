"""The trials of a sweep, as its table has them."""

import optuna
import pandas as pd
from optuna.trial import TrialState

from stages.commands.sweep_results import DIVERGED, STOPPED_EARLY, TO_THE_END, best_of, trials_of


def study_of(*trials: tuple[list[float], float, str]) -> optuna.Study:
    """Trials by their validation NDCG@100 of each epoch, the best that counts, and how they ended."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for curve, best, outcome in trials:
        trial = study.ask()
        for name in ("learning_rate", "l2"):
            trial.suggest_float(name, 1e-5, 1e-1, log=True)
        for epoch, ndcg in enumerate(curve, start=1):
            trial.set_user_attr("best_ndcg", best)
            trial.report(ndcg, epoch)
        trial.set_user_attr("outcome", outcome)
        if outcome == STOPPED_EARLY:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, best)
    return study


def test_epochs_in_float_do_not_count_where_codebooks_start_later() -> None:
    trials = trials_of(study_of(([0.5, 0.6, 0.3, 0.4], 0.4, TO_THE_END), ([0.5, 0.2], 0.2, STOPPED_EARLY)))
    assert trials["validation_ndcg"].tolist() == [0.4, 0.2]
    assert trials["trained_epochs"].tolist() == [4, 2]


def test_a_training_that_diverged_comes_last_however_good_it_was_before() -> None:
    trials = trials_of(study_of(([0.9], 0.0, DIVERGED), ([0.3, 0.4], 0.4, TO_THE_END), ([], 0.0, DIVERGED)))
    assert trials["outcome"].tolist() == [TO_THE_END, DIVERGED, DIVERGED]
    assert trials["validation_ndcg"].tolist() == [0.4, 0.0, 0.0]


def test_the_best_trial_may_have_been_stopped_early() -> None:
    trials = trials_of(study_of(([0.3, 0.4], 0.4, TO_THE_END), ([0.5], 0.5, STOPPED_EARLY), ([0.9], 0.0, DIVERGED)))
    best = trials.loc[trials["outcome"] == STOPPED_EARLY].iloc[0]
    assert best_of(trials) == {name: float(f"{best[name]:.2g}") for name in ("learning_rate", "l2")}


def test_epochs_stay_a_whole_number() -> None:
    trials = pd.DataFrame({"learning_rate": [0.00546], "l2": [0.02999], "epochs": [24], "validation_ndcg": [0.4]})
    assert repr(best_of(trials)) == "{'learning_rate': 0.0055, 'l2': 0.03, 'epochs': 24}"
