"""Work in blocks, and what happens when the device's memory is too small for one."""

import logging

import pytest
import torch

from stages.interfaces.batches import Blocks
from stages.run.errors import UserError


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
