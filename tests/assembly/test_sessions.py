"""A training goes on from its checkpoint with the same results, or says that the checkpoint is damaged."""

import copy
import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from scipy.sparse import csr_array

from stages.assembly.sessions import run_to_the_end
from stages.interfaces.weights import digest_of, save_state
from stages.models.autoencoder import AutoEncoder
from stages.run.errors import UserError
from stages.training.loop import Training
from tests.damage import DAMAGES, Damage

EPOCHS, STOPPED_AFTER = 4, 2
FINGERPRINT = "of this training"
DAMAGED = r"0\.pt is damaged or no checkpoint; remove it to train from the start"
State = dict[str, Any]


def training(train: csr_array) -> Training[AutoEncoder]:
    model = AutoEncoder(40, [4], 0.5)
    return Training(
        model, train, lambda: float(model.output.bias.detach().norm()), epochs=EPOCHS, batch_size=100,
        learning_rate=0.01, cooldown=0.0, l2=0.01, precision=torch.float32, seed=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def state(checkerboard: csr_array) -> State:
    """A checkpoint's, halfway."""
    stopped = training(checkerboard)
    for _ in itertools.islice(stopped.run(iter), STOPPED_AFTER):
        content = copy.deepcopy(stopped.state_dict())
    state = {"fingerprint": FINGERPRINT, "training": content, "facts": False}
    return state | {"digest": digest_of(state)}


@pytest.fixture(scope="module")
def unbroken(checkerboard: csr_array) -> dict[str, torch.Tensor]:
    """The weights of a training without a break."""
    whole = training(checkerboard)
    list(whole.run(iter))
    return whole.best_weights


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints") / "0.pt"


def resumed(train: csr_array, path: Path) -> dict[str, torch.Tensor]:
    """Weights at the end of a training that goes on from a checkpoint."""
    going_on = training(train)
    run_to_the_end(going_on, path, FINGERPRINT, checkpoint_epochs=EPOCHS)
    return going_on.best_weights


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_goes_on_to_the_same_weights_and_a_finished_one_is_not_trained_again(
    checkerboard: csr_array,
    path: Path,
    state: State,
    unbroken: dict[str, torch.Tensor],
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_state(state, path)
    assert equal(resumed(checkerboard, path), unbroken)
    assert f"going on after epoch {STOPPED_AFTER}" in capsys.readouterr().out
    assert equal(resumed(checkerboard, path), unbroken)
    assert capsys.readouterr().out == f"{path} is finished\n"


@given(damage=DAMAGES)
@settings(deadline=None)
def test_damage_is_said_or_changes_no_weight(
    damage: Damage, checkerboard: csr_array, path: Path, state: State, unbroken: dict[str, torch.Tensor]
) -> None:
    save_state(state, path)
    path.write_bytes(damage.of(path.read_bytes()))
    try:
        weights = resumed(checkerboard, path)
    except UserError as error:
        assert "is damaged or no checkpoint; remove it to train from the start" in str(error)  # noqa: PT017
    else:
        assert equal(weights, unbroken)


def test_one_of_other_parameters_is_left(
    checkerboard: csr_array,
    path: Path,
    state: State,
    unbroken: dict[str, torch.Tensor],
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_state({**state, "fingerprint": "of another seed"}, path)
    assert equal(resumed(checkerboard, path), unbroken)
    assert "belongs to other parameters, data or code: training from the start" in capsys.readouterr().out


def without(*keys: str) -> Callable[[State], None]:
    def edit(state: State) -> None:
        for key in keys[:-1]:
            state = state[key]
        del state[keys[-1]]

    return edit


def with_value(value: object, *keys: str | int) -> Callable[[State], None]:
    def edit(state: Any) -> None:
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        without("fingerprint"),
        without("facts"),
        without("training"),
        *(
            without("training", key)
            for key in ("curve", "best_weights", "best_ndcg", "model", "optimizer", "generator")
        ),
        without("training", "model", "output.bias"),
        without("training", "best_weights", "output.bias"),
        without("digest"),
        with_value(torch.zeros(40), "training", "model", "output.bias"),
        with_value(torch.zeros(40), "training", "best_weights", "output.bias"),
        with_value(torch.zeros(160), "training", "best_weights", "input_weight"),
        with_value(torch.full((40,), math.nan), "training", "model", "output.bias"),
        with_value(torch.full((40,), math.inf), "training", "best_weights", "output.bias"),
        with_value(torch.zeros(3), "training", "optimizer", "state", 0, "exp_avg"),
        with_value([], "training", "optimizer", "param_groups"),
        with_value(torch.zeros(5056, dtype=torch.uint8), "training", "generator"),
        with_value([], "training", "curve"),
        with_value(0.9, "training", "best_ndcg"),
        with_value({"seconds": 1.0, "users_per_second": 1}, "facts"),
    ],
)
def test_one_that_was_edited_is_said(
    checkerboard: csr_array, path: Path, state: State, edit: Callable[[State], None]
) -> None:
    edited = copy.deepcopy(state)
    edit(edited)
    save_state(edited, path)
    with pytest.raises(UserError, match=DAMAGED):
        resumed(checkerboard, path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.write_text("no checkpoint")])
def test_what_is_no_checkpoint_is_said(checkerboard: csr_array, tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "0.pt")
    with pytest.raises(UserError, match=DAMAGED):
        resumed(checkerboard, tmp_path / "0.pt")
