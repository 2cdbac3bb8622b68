"""How much is made at once, and going on where that is too much for the device."""

import ctypes
import logging
import math
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from stages.run.errors import UserError

# Of a large intermediate result: on a CPU it stays in the cache for what comes next, on a GPU it keeps it busy.
BLOCK_BYTES = {"cpu": 2**25, "cuda": 2**31}

Result = TypeVar("Result")


def users_at_once(bytes_per_user: int, device: torch.device) -> int:
    """How many users of an intermediate result of so many bytes are made at once, at least 1."""
    return max(1, BLOCK_BYTES[device.type] // bytes_per_user)


class Blocks:
    """Takes users in blocks, and in half as large ones from then on when the device runs out of memory.

    Parameters
    ----------
    most_users : in a block
    """

    def __init__(self, most_users: int) -> None:
        self.most_users = most_users

    def run(self, work: Callable[[int, int], Result], n_users: int) -> Iterator[Result]:
        """Yield `work(start, end)` of one block after the other; it may be asked for the same start again.

        Raises
        ------
        UserError
            where the memory is too small even for one user.
        """
        start = 0
        while start < n_users:
            end = min(n_users, start + math.ceil(n_users / math.ceil(n_users / self.most_users)))  # of equal size
            try:
                result = work(start, end)
            except torch.OutOfMemoryError:
                pass  # its traceback holds tensors: try again once it is gone
            else:
                yield result
                start = end
                continue
            if end - start == 1:
                raise UserError("the device is out of memory with one user at a time; set device in params.yaml to cpu")
            self.most_users = (end - start) // 2
            logging.getLogger(__name__).warning(
                "the device is out of memory: going on with %d users at a time", self.most_users
            )


def keep_freed_memory() -> None:
    """Have this process keep memory that it frees, where glibc is the C library.

    Otherwise large blocks go back to the system at once, and a training step spends a tenth to a third of its time on
    getting them again, page by page (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-4, 0)
        mallopt(-1, 2**31 - 1)
