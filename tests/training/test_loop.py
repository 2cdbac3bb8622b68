"""The training loop: what it keeps, and that stopping changes nothing."""

import copy
import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.batches import Rows
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.models.bottleneck.residual import ResidualScheme
from stages.models.vae import VariationalAutoEncoder
from stages.run.errors import UserError
from stages.training import loop
from stages.training.loop import Training
from tests.conftest import NO_GPU

EPOCHS = 6
RULES = Rules(0.5, 0.9, 0.25, 0.05, learn_scores=False, ema_targets="dropout")


def dae(dropout: float = 0.5) -> AutoEncoder:
    return AutoEncoder(40, [8], dropout)


def vae() -> AutoEncoder:
    return VariationalAutoEncoder(40, [8, 4, 8], dropout=0.5, kl_cap=0.2, kl_anneal=0.8)


def pq_vae() -> AutoEncoder:
    return AutoEncoder(40, [8, 8], 0.5, Bottleneck(ProductScheme(8, 4, rotation=False), RULES))


def rq_vae() -> AutoEncoder:
    rules = replace(RULES, learn_scores=True, ema_targets="parts")
    scheme = ResidualScheme(8, 3, beam=2, training_beam=1, metric="decoder")
    return AutoEncoder(40, [8], 0.5, Bottleneck(scheme, rules))


def training(
    model: AutoEncoder,
    train: csr_array,
    ndcg: list[float] | None = None,
    learning_rate: float = 1e-2,
    l2: float = 0.01,
    cooldown: float = 0.0,
    precision: torch.dtype = torch.float32,
) -> Training[AutoEncoder]:
    values = itertools.cycle(ndcg or [0.1, 0.2, 0.3])
    return Training(
        model,
        train,
        lambda: next(values),
        epochs=EPOCHS,
        batch_size=64,
        learning_rate=learning_rate,
        cooldown=cooldown,
        l2=l2,
        precision=precision,
        seed=0,
    )


@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
@pytest.mark.parametrize("stopped_after", [1, 3, 5])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_training_that_was_stopped_ends_in_the_same_weights(
    build: Callable[[], AutoEncoder], stopped_after: int, precision: torch.dtype, checkerboard: csr_array
) -> None:
    unbroken = training(build(), checkerboard, precision=precision)
    list(unbroken.run(iter))
    stopped = training(build(), checkerboard, precision=precision)
    for _ in itertools.islice(stopped.run(iter), stopped_after):
        state = copy.deepcopy(stopped.state_dict())
    resumed = training(build(), checkerboard, precision=precision)
    resumed.load_state_dict(state)
    list(resumed.run(iter))
    assert [(epoch.epoch, epoch.loss) for epoch in resumed.curve] == [
        (epoch.epoch, epoch.loss) for epoch in unbroken.curve
    ]
    for name, value in unbroken.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_finished_training_holds_its_results_alone(checkerboard: csr_array) -> None:
    run = training(dae(), checkerboard)
    list(run.run(iter))
    assert set(run.state_dict()) == {"curve", "best_weights", "best_ndcg"}


@pytest.mark.parametrize("build", [dae, pq_vae])
def test_a_finished_training_is_loaded_with_its_results(
    build: Callable[[], AutoEncoder], checkerboard: csr_array
) -> None:
    finished = training(build(), checkerboard)
    list(finished.run(iter))
    loaded = training(build(), checkerboard)
    loaded.load_state_dict(finished.state_dict())
    assert list(loaded.run(iter)) == []
    assert loaded.curve == finished.curve
    assert loaded.best_ndcg == finished.best_ndcg
    loaded.model.load_state_dict(loaded.best_weights)
    for name, value in finished.best_weights.items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name


def test_the_weights_of_the_best_validation_epoch_are_kept(checkerboard: csr_array) -> None:
    run = training(dae(), checkerboard, ndcg=[0.1, 0.3, 0.2, 0.3, 0.1, 0.2])
    weights = [run.model.output.weight.detach().clone() for _ in run.run(iter)]
    assert run.best_ndcg == 0.3
    assert torch.equal(run.best_weights["output.weight"], weights[1])


def test_epochs_before_quantization_do_not_count_as_best(checkerboard: csr_array) -> None:
    run = training(pq_vae(), checkerboard, ndcg=[0.9, 0.9, 0.9, 0.1, 0.1, 0.2, 0.1])
    list(run.run(iter))
    assert run.best_ndcg == 0.2
    assert bool(run.best_weights["bottleneck.started"])


def test_codebooks_start_from_the_best_float_epoch(checkerboard: csr_array) -> None:
    run = training(pq_vae(), checkerboard, ndcg=[0.1, 0.9, 0.2, 0.5, 0.1, 0.2, 0.1])
    weights = [run.model.output.weight.detach().clone() for _ in run.run(iter)]
    assert run.best_ndcg == 0.5  # right after the start
    assert torch.equal(run.best_weights["output.weight"], weights[1])


@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
def test_the_learning_rate_falls_over_the_last_share_of_the_epochs(
    build: Callable[[], AutoEncoder], checkerboard: csr_array
) -> None:
    run = training(build(), checkerboard, learning_rate=1e-2, cooldown=1 / 3)
    rates = [run.optimizer.param_groups[0]["lr"] for _ in run.run(iter)]  # of the last steps
    assert rates[:4] == [1e-2] * 4
    assert 0 < rates[5] < rates[4] < 1e-2


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_a_gpu_trains_as_a_cpu(checkerboard: csr_array) -> None:
    """From the same weights; the order of users and rounding differ."""
    on_cpu = [epoch.loss for epoch in training(dae(dropout=0.0), checkerboard).run(iter)]
    on_gpu = [epoch.loss for epoch in training(dae(dropout=0.0).to("cuda"), checkerboard).run(iter)]
    assert on_gpu == pytest.approx(on_cpu, rel=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
def test_a_gpu_trains_twice_alike(build: Callable[[], AutoEncoder], checkerboard: csr_array) -> None:
    first, again = ([epoch.loss for epoch in training(build().to("cuda"), checkerboard).run(iter)] for _ in range(2))
    assert again == pytest.approx(first, rel=1e-5)


@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
def test_bfloat16_trains_as_float32(build: Callable[[], AutoEncoder], checkerboard: csr_array) -> None:
    exact = [epoch.loss for epoch in training(build(), checkerboard).run(iter)]
    narrow = [epoch.loss for epoch in training(build(), checkerboard, precision=torch.bfloat16).run(iter)]
    assert narrow == pytest.approx(exact, rel=1e-2)
    assert narrow != exact


def test_the_loss_falls(checkerboard: csr_array) -> None:
    curve = list(training(dae(), checkerboard).run(iter))
    assert curve[-1].loss < curve[0].loss


def test_l2_is_liangs_convention(checkerboard: csr_array) -> None:
    """The gradient of l2 / batch_size · Σ weight² on weights, and none on biases."""
    run = training(dae(), checkerboard, l2=32.0)
    weights, biases = run.optimizer.param_groups
    assert weights["weight_decay"] == 2 * 32.0 / 64
    assert biases["weight_decay"] == 0
    assert {parameter.ndim for parameter in biases["params"]} == {1}


def test_a_loss_that_is_no_number_stops_the_training_at_the_next_look(
    checkerboard: csr_array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STEPS_BETWEEN_LOOKS", 4)
    run = training(dae(), checkerboard, learning_rate=1e30)
    steps: list[Rows] = []

    def counted(batches: Iterable[Rows]) -> Iterable[Rows]:
        for batch in batches:
            steps.append(batch)
            yield batch

    with pytest.raises(UserError) as error:
        list(run.run(counted))
    assert str(error.value) == (
        "the loss is no longer finite in epoch 1, step 3 of 5, at learning rate 1e+30; "
        "lower learning_rate of this model in params.yaml"
    )
    assert len(steps) == 4
    assert run.best_weights == {}


def test_weights_that_are_no_numbers_after_the_last_step_are_never_kept(checkerboard: csr_array) -> None:
    run = training(dae(), checkerboard)
    run.batch_size = checkerboard.shape[0]  # one step an epoch: no loss is seen after it
    run.learning_rate = float("inf")
    with pytest.raises(UserError, match=r"input_weight is no longer finite in epoch 1, step 1 of 1"):
        list(run.run(iter))
    assert run.best_weights == {}
