"""Several processes train a model as one does, and end together."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.models.bottleneck.residual import ResidualScheme
from stages.models.shard import AllItems
from stages.models.vae import VariationalAutoEncoder
from stages.run.errors import UserError
from stages.training.loop import Training
from stages.training.processes import start, together
from tests.pipeline.imports import ROOT

N_ITEMS, EPOCHS = 101, 3
RULES = Rules(0.0, 0.9, 0.25, 0.05, learn_scores=False, ema_targets="dropout")
SCORES = Rules(0.0, 0.9, 0.25, 0.05, learn_scores=True, ema_targets="parts")
MODELS = ["dae", "vae", "pq-vae", "rq-vae"]


def built(kind: str, n_items: int) -> AutoEncoder:
    match kind:
        case "dae":
            return AutoEncoder(n_items, [8, 6], 0.5)
        case "vae":
            return VariationalAutoEncoder(n_items, [8, 4, 8], dropout=0.5, kl_cap=0.2, kl_anneal=0.8)
        case "pq-vae":
            return AutoEncoder(n_items, [8], 0.5, Bottleneck(ProductScheme(8, 4, rotation=True), RULES))
    scheme = ResidualScheme(8, 3, beam=2, training_beam=1, metric="decoder")
    return AutoEncoder(n_items, [8], 0.5, Bottleneck(scheme, SCORES))


def histories() -> csr_array:
    return csr_array((np.random.default_rng(0).random((400, N_ITEMS)) < 0.1).astype(np.float32))


def training(kind: str, shard: AllItems, epochs: int = EPOCHS, learning_rate: float = 0.01) -> Training[AutoEncoder]:
    whole = built(kind, N_ITEMS)
    model = whole
    if shard.n_processes > 1:
        model = built(kind, shard.n_own)
        model.shard = shard
    users = histories()

    def validate() -> float:
        return float(whole.embed(users[:50]).mean())

    return Training(
        model, users, lambda: shard.on_first(validate), epochs=epochs, batch_size=50, learning_rate=learning_rate,
        cooldown=0.5, l2=0.1, precision=torch.float32, seed=0, whole=whole,
    )  # fmt: skip


def train(kinds: list[str], folder: Path) -> None:
    """Train each kind to its end, from the state in the folder if there is one, and leave what came of it there."""
    torch.set_num_threads(1)
    with together(N_ITEMS, torch.device("cpu")) as shard:
        for kind in kinds:
            run = training(kind, shard)
            if (folder / f"{kind}-before.pt").exists():
                run.load_state_dict(torch.load(folder / f"{kind}-before.pt"))
            for epoch in run.run(iter):
                state = run.state_dict()
                if epoch.epoch == 1 and shard.rank == 0:
                    torch.save(state, folder / f"{kind}-{shard.n_processes}-after-1.pt")
            if shard.rank == 0:
                vectors = run.whole.embed(histories())
                result = {"curve": state["curve"], "codes": run.whole.codec().encode(vectors), "state": state}
                torch.save(result, folder / f"{kind}-{shard.n_processes}.pt")


def diverge() -> None:
    with together(N_ITEMS, torch.device("cpu")) as shard:
        list(training("dae", shard, learning_rate=1e30).run(iter))


def die() -> None:
    with together(N_ITEMS, torch.device("cpu")) as shard:
        for epoch in training("dae", shard, epochs=10**6).run(iter):
            if epoch.epoch == 2 and shard.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)


def end_the_command() -> None:
    with together(N_ITEMS, torch.device("cpu")) as shard:
        for epoch in training("dae", shard, epochs=10**6).run(iter):
            if epoch.epoch == 2 and shard.rank == 1:
                os.kill(os.getppid(), signal.SIGTERM)


def fail() -> None:
    with together(N_ITEMS, torch.device("cpu")) as shard:
        if shard.rank == 1:
            raise ZeroDivisionError("by nothing")
        list(training("dae", shard, epochs=10**6).run(iter))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process leaves, and what three leave."""
    folder = tmp_path_factory.mktemp("processes")
    train(MODELS, folder)
    start(3, train, MODELS, folder)
    return folder


def results(kind: str, folder: Path) -> tuple[Any, Any]:
    alone, three = (torch.load(folder / f"{kind}-{n}.pt", weights_only=False) for n in (1, 3))
    return alone, three


@pytest.mark.parametrize("kind", MODELS)
def test_losses_and_ndcg_are_those_of_one_process(kind: str, folder: Path) -> None:
    alone, three = results(kind, folder)
    np.testing.assert_allclose(three["curve"], alone["curve"], rtol=1e-4)


@pytest.mark.parametrize("kind", ["pq-vae", "rq-vae"])
def test_users_get_the_same_codes(kind: str, folder: Path) -> None:
    alone, three = results(kind, folder)
    assert (three["codes"] == alone["codes"]).all(1).mean() >= 0.999


@pytest.mark.parametrize("kind", ["vae", "rq-vae"])
def test_a_training_goes_on_with_another_number_of_processes(kind: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / f"{kind}-before.pt").write_bytes((folder / f"{kind}-3-after-1.pt").read_bytes())
    start(2, train, [kind], tmp_path)
    resumed = torch.load(tmp_path / f"{kind}-2.pt", weights_only=False)
    np.testing.assert_allclose(resumed["curve"], results(kind, folder)[1]["curve"], rtol=1e-4)


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (diverge, r"^the loss is no longer finite in epoch 1, step \d of 8, at learning rate 1e\+30; lower"),
        (die, "^process 1 of 2 that train together was ended .*SIGKILL.* it goes on from the last checkpoint$"),
        (fail, "^process 1 of 2 that train together failed: ZeroDivisionError: by nothing"),
    ],
)
def test_all_end_with_one_sentence_when_one_fails(work: Callable[[], None], said: str) -> None:
    with pytest.raises(UserError, match=said):
        start(2, work)


def test_a_command_that_is_ended_ends_as_one_that_trains_alone() -> None:
    command = f"from {start.__module__} import start; from {__name__} import end_the_command; start(2, end_the_command)"
    ended = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGTERM
    assert "Traceback" not in ended.stderr
