"""The finished trials of a sweep, as it leaves them for the one that goes on."""

from pathlib import Path

import optuna
import pytest
from hypothesis import given

from stages.commands.sweep import TRIALS, _distribution, _load, _save
from stages.commands.sweep_results import DIVERGED, FINISHED, STOPPED_EARLY, TO_THE_END
from stages.run.errors import UserError
from tests.commands.test_sweep_results import study_of
from tests.damage import DAMAGES, Damage

RANGES = {"learning_rate": _distribution(1e-5, 1e-1), "l2": _distribution(1e-5, 1e-1)}


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    study = study_of(([0.5, 0.6], 0.6, TO_THE_END), ([0.5], 0.5, STOPPED_EARLY), ([], 0.0, DIVERGED))
    study.ask()  # one that still runs
    return study


@pytest.fixture(scope="module")
def path(study: optuna.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "a sweep"
    _save(study, folder)
    return folder / TRIALS


def test_a_sampler_sees_them_as_before(study: optuna.Study, path: Path) -> None:
    def seen(trial: optuna.trial.FrozenTrial) -> tuple[object, ...]:
        return trial.state, trial.values, trial.params, trial.distributions, trial.intermediate_values, trial.user_attrs

    assert [seen(trial) for trial in _load(path, RANGES)] == [
        seen(trial) for trial in study.get_trials(states=FINISHED)
    ]


@given(damage=DAMAGES)
def test_whatever_has_changed_in_them_is_said(path: Path, damage: Damage) -> None:
    whole = path.read_bytes()
    path.write_bytes(damage.of(whole))
    try:
        with pytest.raises(UserError, match=r"trials.json is not as the stage sweep wrote it"):
            _load(path, RANGES)
    finally:
        path.write_bytes(whole)
