"""Sparse input against the dense product."""

import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.batches import SparseRows, UserItems
from stages.models.sparse import weighted_sum


@pytest.fixture
def batch(checkerboard: csr_array) -> UserItems:
    rows = SparseRows(checkerboard, torch.device("cpu"))
    return rows.rows(*rows.batches(torch.tensor([7, 0, 299]), 3))


def test_it_is_the_dense_product_with_its_gradient(batch: UserItems, checkerboard: csr_array) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(checkerboard.shape[1], 5, generator=generator, requires_grad=True)
    factors = torch.rand(len(batch.items), generator=generator)
    dense = torch.zeros(3, checkerboard.shape[1])
    dense[batch.users, batch.items] = factors
    towards = torch.randn(3, 5, generator=generator)
    summed = weighted_sum(vectors, batch, factors)
    torch.testing.assert_close(summed, dense @ vectors)
    (gradient,) = torch.autograd.grad(summed, [vectors], towards)
    torch.testing.assert_close(gradient, dense.T @ towards)


def test_items_that_nobody_has_get_no_gradient(batch: UserItems, checkerboard: csr_array) -> None:
    vectors = torch.ones(checkerboard.shape[1] + 2, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(weighted_sum(vectors, batch, torch.ones(len(batch.items))).sum(), [vectors])
    assert gradient[-2:].count_nonzero() == 0
    assert gradient[:-2].count_nonzero() > 0
