"""Weights from the disk: what is wrong with a file is told apart."""

import math
import os
import resource
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from stages.interfaces.weights import load_weights, save_state
from stages.models.autoencoder import AutoEncoder
from stages.run.errors import UserError
from stages.run.files import whole_file
from tests.damage import DAMAGES, Damage, sealed


def initialised(hidden: list[int], seed: int = 0) -> AutoEncoder:
    model = AutoEncoder(40, hidden, 0.5)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Weights of a model with layers of 8 and 6."""
    save_state(initialised([8, 6]).state_dict(), tmp_path / "0.pt")
    return sealed(tmp_path / "0.pt")


def test_weights_are_those_that_were_saved(path: Path) -> None:
    model = load_weights(initialised([8, 6], seed=1), path, "train")
    for name, value in initialised([8, 6]).state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_loaded_model_is_not_in_training(path: Path) -> None:
    assert not load_weights(initialised([8, 6]).train(), path, "train").training


def test_the_same_state_is_saved_in_the_same_bytes_whatever_the_path(path: Path) -> None:
    save_state(initialised([8, 6]).state_dict(), path.with_name("another name.pt"))
    assert path.with_name("another name.pt").read_bytes() == path.read_bytes()


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*0\.pt; run the stage train first"):
        load_weights(initialised([8, 6]), tmp_path / "0.pt", "train")


@pytest.mark.parametrize("end", [0, 10, 200, -100])
def test_a_file_that_was_cut_is_said_to_be_damaged(end: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(UserError, match=r"0\.pt is not as the stage train wrote it; remove it and run the stage train"):
        load_weights(initialised([8, 6]), path, "train")
    with pytest.raises(UserError, match=r"0\.pt holds no weights; remove it and run the stage train again"):
        load_weights(initialised([8, 6]), sealed(path), "train")


@given(damage=DAMAGES)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bit_that_changed_is_scored_with(damage: Damage, path: Path) -> None:
    save_state(initialised([8, 6]).state_dict(), path)
    path.write_bytes(damage.of(path.read_bytes()))
    with pytest.raises(UserError, match=r"0\.pt is not as the stage train wrote it"):
        load_weights(initialised([8, 6]), path, "train")


def test_weights_of_another_seed_are_not_taken_for_those_of_this_one(path: Path) -> None:
    save_state(initialised([8, 6], seed=1).state_dict(), path)
    with pytest.raises(UserError, match=r"0\.pt is not as the stage train wrote it"):
        load_weights(initialised([8, 6]), path, "train")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_said(path: Path, number: float) -> None:
    weights = initialised([8, 6]).state_dict()
    weights["output.weight"][-1, -1] = number
    save_state(weights, path)
    with pytest.raises(UserError, match=r"0\.pt holds weights that are not finite; remove it"):
        load_weights(initialised([8, 6]), sealed(path), "train")


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"0\.pt is no file"):
        load_weights(initialised([8, 6]), path, "train")


def test_a_full_disk_is_said_in_the_words_of_any_other_write(tmp_path: Path) -> None:
    weights = {"weight": torch.zeros(100_000)}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with (
            pytest.raises(UserError, match=r"cannot write .*0\.pt: File too large; make room or give access"),
            whole_file(tmp_path / "0.pt") as temporary,
        ):
            save_state(weights, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hidden", [[8, 7], [8], [8, 6, 6]])
def test_weights_of_other_layers_are_said(hidden: list[int], path: Path) -> None:
    with pytest.raises(UserError, match=r"0\.pt belongs to a model of other layers; run the stage train again"):
        load_weights(initialised(hidden), path, "train")


def test_a_file_that_holds_no_weights_is_of_no_such_model(path: Path) -> None:
    save_state([1, 2, 3], path)
    with pytest.raises(UserError, match="belongs to a model of other layers"):
        load_weights(initialised([8, 6]), sealed(path), "train")


def test_a_bug_is_not_taken_for_a_damaged_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    model = initialised([8, 6])
    monkeypatch.setattr(model, "load_state_dict", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        load_weights(model, path, "train")
