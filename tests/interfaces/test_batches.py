"""Batches of users from a sparse matrix; work in blocks, and what happens where memory is too small for one."""

import logging

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.batches import BLOCK_BYTES, Blocks, SparseRows, UserItems, users_at_once
from stages.run.errors import UserError

CPU = torch.device("cpu")


def dense(batch: UserItems, n_items: int) -> np.ndarray:
    """(n_users, n_items) 0/1."""
    matrix = np.zeros((len(batch.lengths), n_items))
    matrix[batch.users, batch.items] = 1
    return matrix


def gathered(matrix: csr_array, rows: np.ndarray) -> UserItems:
    """A batch of these rows."""
    of_matrix = SparseRows(matrix, CPU)
    (batch,) = of_matrix.batches(torch.from_numpy(rows), len(rows))
    return of_matrix.rows(batch)


def test_all_rows_are_the_matrix(checkerboard: csr_array) -> None:
    batch = SparseRows(checkerboard, CPU).all()
    np.testing.assert_array_equal(dense(batch, checkerboard.shape[1]), checkerboard.toarray())


def test_gathered_rows_are_the_matrix_rows(checkerboard: csr_array) -> None:
    rows = np.array([7, 0, 7, 299])
    batch = gathered(checkerboard, rows)
    np.testing.assert_array_equal(dense(batch, checkerboard.shape[1]), checkerboard[rows].toarray())


def test_a_block_of_a_batch_is_those_users(checkerboard: csr_array) -> None:
    block = gathered(checkerboard, np.array([7, 0, 299])).block(1, 3)
    np.testing.assert_array_equal(dense(block, checkerboard.shape[1]), checkerboard[[0, 299]].toarray())


def test_offsets_of_a_block_start_from_zero(checkerboard: csr_array) -> None:
    block = gathered(checkerboard, np.array([7, 0, 299])).block(1, 3)
    assert block.offsets.tolist() == [0, block.lengths[0]]


def test_an_order_is_gathered_batch_by_batch(checkerboard: csr_array) -> None:
    rows, of_matrix = np.array([7, 0, 299, 5, 5]), SparseRows(checkerboard, CPU)
    batches = of_matrix.batches(torch.from_numpy(rows), 2)
    assert [len(batch) for batch in batches] == [2, 2, 1]
    together = np.concatenate([dense(of_matrix.rows(batch), checkerboard.shape[1]) for batch in batches])
    np.testing.assert_array_equal(together, checkerboard[rows].toarray())


def test_as_many_users_at_once_as_fit_and_at_least_one() -> None:
    assert users_at_once(BLOCK_BYTES["cpu"] // 10, CPU) == 10
    assert users_at_once(2 * BLOCK_BYTES["cpu"], CPU) == 1


def run(most_users: int, n_users: int, fitting: int = 10**9) -> list[tuple[int, int]]:
    """The blocks that were done, on a device with memory for `fitting` users."""

    def work(start: int, end: int) -> tuple[int, int]:
        if end - start > fitting:
            raise torch.OutOfMemoryError
        return start, end

    return list(Blocks(most_users).run(work, n_users))


def test_blocks_are_of_equal_size_and_none_is_larger_than_asked() -> None:
    assert run(100, 100) == [(0, 100)]
    assert run(100, 101) == [(0, 51), (51, 101)]
    assert run(100, 0) == []


def test_out_of_memory_halves_the_block_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        done = run(100, 100, fitting=30)
    assert done == [(0, 25), (25, 50), (50, 75), (75, 100)]
    assert [record.getMessage() for record in caplog.records] == [
        "the device is out of memory: going on with 50 users at a time",
        "the device is out of memory: going on with 25 users at a time",
    ]


def test_a_smaller_block_is_kept_for_the_next_batch() -> None:
    blocks = Blocks(100)
    attempts = []

    def work(start: int, end: int) -> None:
        attempts.append(end - start)
        if end - start > 50:
            raise torch.OutOfMemoryError

    for _ in range(2):
        list(blocks.run(work, 100))
    assert attempts == [100, 50, 50, 50, 50]


def test_memory_too_small_for_one_user_is_said() -> None:
    with pytest.raises(UserError, match="out of memory with one user at a time"):
        run(100, 100, fitting=0)
