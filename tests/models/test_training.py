"""The training loop: what it keeps, and that stopping changes nothing."""

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from scipy.sparse import csr_array

from stages.errors import UserError
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.bottleneck import ProductBottleneck
from stages.models.training import Training

EPOCHS = 6


def dae() -> AutoEncoder:
    return AutoEncoder(40, [8], dropout=0.5)


def vae() -> AutoEncoder:
    return VariationalAutoEncoder(40, [8, 4, 8], dropout=0.5, kl_cap=0.2, kl_anneal=0.8)


def pq_vae() -> AutoEncoder:
    return AutoEncoder(40, [8, 8], 0.5, ProductBottleneck(8, 4, 0.5, 0.9, 0.25, 0.05))


def training(model: AutoEncoder, train: csr_array, ndcg: list[float] | None = None, **changes: float) -> Training:
    values = itertools.cycle(ndcg or [0.1, 0.2, 0.3])
    settings = {"learning_rate": 1e-2, "l2": 0.01} | changes
    return Training(model, train, lambda: next(values), epochs=EPOCHS, batch_size=64, seed=0, **settings)


@pytest.mark.parametrize("build", [dae, vae, pq_vae])
@pytest.mark.parametrize("stopped_after", [1, 3, 5])
def test_a_training_that_was_stopped_ends_in_the_same_weights(
    build: Callable[[], AutoEncoder], stopped_after: int, checkerboard: csr_array
) -> None:
    unbroken = training(build(), checkerboard)
    list(unbroken.run(iter))
    stopped = training(build(), checkerboard)
    for _ in itertools.islice(stopped.run(iter), stopped_after):
        state = copy.deepcopy(stopped.state_dict())
    resumed = training(build(), checkerboard)
    resumed.load_state_dict(state)
    list(resumed.run(iter))
    assert [(epoch.epoch, epoch.loss) for epoch in resumed.curve] == [
        (epoch.epoch, epoch.loss) for epoch in unbroken.curve
    ]
    for name, value in unbroken.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_the_weights_of_the_best_validation_epoch_are_kept(checkerboard: csr_array) -> None:
    run = training(dae(), checkerboard, ndcg=[0.1, 0.3, 0.2, 0.3, 0.1, 0.2])
    weights = [run.model.output.weight.detach().clone() for _ in run.run(iter)]
    assert run.best_ndcg == 0.3
    assert torch.equal(run.best_weights["output.weight"], weights[1])


def test_epochs_before_quantization_do_not_count_as_best(checkerboard: csr_array) -> None:
    run = training(pq_vae(), checkerboard, ndcg=[0.9, 0.9, 0.9, 0.1, 0.2, 0.1])
    list(run.run(iter))
    assert run.best_ndcg == 0.2
    assert bool(run.best_weights["bottleneck.started"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("build", [dae, vae, pq_vae])
def test_a_gpu_trains_as_a_cpu(build: Callable[[], AutoEncoder], checkerboard: csr_array) -> None:
    """The same draws; rounding alone differs."""
    on_cpu = [epoch.loss for epoch in training(build(), checkerboard).run(iter)]
    on_gpu = [epoch.loss for epoch in training(build().to("cuda"), checkerboard).run(iter)]
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3)


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


def test_a_loss_that_is_no_number_stops_the_training_with_the_epoch(checkerboard: csr_array) -> None:
    run = training(dae(), checkerboard, learning_rate=1e30)
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in epoch \d; lower learning_rate"):
        list(run.run(iter))
