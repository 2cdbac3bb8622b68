"""A training goes on from its checkpoint, or from another's float epochs, with the same results; damage is said."""

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

from stages.assembly.sessions import FloatPhase, fingerprint_of, float_phases, run_to_the_end
from stages.config.model import DaeSettings, ProductBottleneckSettings
from stages.config.params import Params
from stages.config.reader import read_params
from stages.interfaces.weights import digest_of, save_state
from stages.models.autoencoder import AutoEncoder
from stages.models.build import build_model
from stages.run.errors import UserError
from stages.training.loop import Epoch, Training
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
    assert "belongs to other parameters, data or code: not going on from it" in capsys.readouterr().out


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


CPU = torch.device("cpu")
PHASE_OF = 2  # epochs, of 4


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def params() -> Params:
    """A float model of four epochs, its residual and its product codes after two, and one of another learning rate."""
    params = read_params()
    dae = params.trained("dae-200").model_copy(update={"hidden": [8]})
    codes = {"start": PHASE_OF / EPOCHS, "chunks": 4, "rotation": False}
    bottleneck = params.trained("opq-vae-200-40x5").model_dump()["bottleneck"] | codes
    product = ProductBottleneckSettings.model_validate(bottleneck)
    quantized = dae.model_copy(update={"bottleneck": product})
    models = {"dae": dae, "pq": quantized, "faster": quantized.model_copy(update={"learning_rate": 0.02})}
    models["vae"] = params.trained("vae-600-200-600")
    models["half"] = dae.model_copy(update={"float_types": ["float16"]})
    models["late"] = quantized.model_copy(
        update={"bottleneck": product.model_copy(update={"start": 3 / EPOCHS, "target": "items"})}
    )
    dataset = params.dataset("ml-latest-small")
    training = dataset.training.model_copy(update={"epochs": EPOCHS})
    datasets = {"tiny": dataset.model_copy(update={"models": {}, "training": training})}
    return params.model_copy(update={"models": models, "datasets": datasets})


def phases_of(params: Params, model: str, seed: int = 0) -> list[FloatPhase]:
    return float_phases(params, "tiny", params.recipe("tiny", model), seed, CPU)


def test_models_share_the_float_epochs_of_equal_settings(params: Params) -> None:
    lengths = {model: [phase.epochs for phase in phases_of(params, model)] for model in params.models}
    assert lengths == {"dae": [3, 2], "half": [3, 2], "late": [3, 2], "pq": [2], "faster": [2], "vae": []}
    dae, faster = phases_of(params, "dae"), phases_of(params, "faster")
    assert phases_of(params, "late") == phases_of(params, "half") == dae
    assert phases_of(params, "pq") == dae[1:]
    assert faster[0].checkpoint != dae[1].checkpoint
    assert phases_of(params, "pq", seed=1)[0].checkpoint != dae[1].checkpoint


@pytest.mark.parametrize(
    "change", [{"encoder": ["nearest", "scores"]}, {"candidates": 32}, {"share": 0.5}, {"pull": 1.0}]
)
def test_how_codes_are_chosen_once_trained_decides_no_weight(params: Params, change: dict[str, Any]) -> None:
    recipe = params.recipe("tiny", "pq")
    entry = recipe.settings
    assert isinstance(entry, DaeSettings)
    codes = entry.bottleneck
    assert codes

    def fingerprint(update: dict[str, Any]) -> str:
        settings = entry.model_copy(update={"bottleneck": codes.model_copy(update=update)})
        return fingerprint_of(params, "tiny", recipe._replace(settings=settings), 0, CPU)

    assert fingerprint(change) == fingerprint({})
    assert fingerprint({"commitment": 0.5}) != fingerprint({})


def test_a_warm_start_shares_nothing(params: Params) -> None:
    warm = params.recipe("tiny", "pq")._replace(warm_start="data/before")
    assert float_phases(params, "tiny", warm, 0, CPU) == []


def run_of(params: Params, train: csr_array, model: str, folder: Path, phases: bool) -> tuple[bytes, list[Epoch]]:
    """The bytes of the weights, and the curve, of a training without a checkpoint of its own."""
    entry = params.trained(model)
    network = build_model(entry, train.shape[1])
    training = Training(
        network, train, lambda: float(network.output.bias.detach().norm()), epochs=EPOCHS, batch_size=100,
        learning_rate=entry.learning_rate, cooldown=0.25, l2=0.01, precision=torch.float32, seed=0,
    )  # fmt: skip
    of_model = phases_of(params, model) if phases else []
    facts = run_to_the_end(training, folder / f"{model}-{phases}.pt", FINGERPRINT, EPOCHS, of_model)
    assert set(facts) == {"seed", "seconds", "users_per_second"}
    save_state(training.best_weights, folder / "weights.pt")
    return (folder / "weights.pt").read_bytes(), training.curve


@pytest.mark.parametrize("order", [["dae", "pq", "late"], ["late", "pq", "dae"], ["pq", "dae", "late"]])
def test_a_shared_float_phase_changes_no_byte(
    params: Params, checkerboard: csr_array, in_folder: Path, order: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = {model: run_of(params, checkerboard, model, in_folder, phases=False) for model in order}
    capsys.readouterr()
    for model in order:
        assert run_of(params, checkerboard, model, in_folder, phases=True) == alone[model]
    assert capsys.readouterr().out.count("going on after epoch") == 2


def test_a_damaged_float_phase_is_said(params: Params, checkerboard: csr_array, in_folder: Path) -> None:
    run_of(params, checkerboard, "dae", in_folder, phases=True)
    path = phases_of(params, "pq")[0].checkpoint
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"{path.name} is damaged or no checkpoint; remove it"):
        run_of(params, checkerboard, "pq", in_folder, phases=True)
