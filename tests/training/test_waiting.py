"""A training step asks a GPU for nothing: all sizes are known on the host.

Tensors of the device "meta" have shapes and no values, so whatever would have to wait for a value is an error.
"""

from collections.abc import Callable

import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces import batches
from stages.interfaces.batches import Rows, SparseRows
from stages.models.autoencoder import AutoEncoder
from stages.models.likelihood import MultinomialLoss
from tests.conftest import NO_GPU
from tests.training.test_loop import dae, pq_vae, rq_vae, training, vae

USERS = torch.tensor([7, 0, 299, 5])
META = torch.device("meta")


def started(build: Callable[[], AutoEncoder], train: csr_array) -> AutoEncoder:
    """With its codebooks, if it has any."""
    model = build()
    model.initialise(torch.Generator().manual_seed(0))
    if model.bottleneck is not None:
        model.start_codebooks(train, 0, 64, torch.Generator().manual_seed(0))
    return model.train()


@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("users_per_block", [4, 2])
def test_the_loss_and_its_gradients_wait_for_no_value(
    build: Callable[[], AutoEncoder],
    precision: torch.dtype,
    users_per_block: int,
    checkerboard: csr_array,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(batches.BLOCK_BYTES, "meta", users_per_block * checkerboard.shape[1] * precision.itemsize)
    model = started(build, checkerboard).to(META)
    lengths = torch.from_numpy(checkerboard.indptr).diff()[USERS].long()
    batch = SparseRows(checkerboard, META).rows(Rows(USERS.to(META), lengths))
    model.loss(batch, 0.5, torch.Generator(), MultinomialLoss(model.output, precision)).total.backward()
    assert {parameter.grad is not None for parameter in model.parameters()} == {True}


@pytest.mark.parametrize("ask", [bool, torch.Tensor.item, torch.Tensor.nonzero, torch.Tensor.unique])
def test_what_waits_is_an_error_here(ask: Callable[[torch.Tensor], object]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        ask(torch.zeros((), device=META))


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
@pytest.mark.parametrize("build", [dae, vae, pq_vae, rq_vae])
def test_a_step_on_a_gpu_waits_for_nothing(build: Callable[[], AutoEncoder], checkerboard: csr_array) -> None:
    run = training(build().to("cuda"), checkerboard)
    if run.model.bottleneck is not None:
        run.model.start_codebooks(checkerboard, 0, 64, run.generator)
    run.model.train()
    order = torch.randperm(checkerboard.shape[0], device="cuda")
    first, second, *_ = run.interactions.batches(order, 64)
    found = torch.zeros(2, device="cuda")
    run.step(run.interactions.rows(first), 0.5, found)  # which loads kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        run.step(run.interactions.rows(second), 0.5, found)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.isfinite().all()
