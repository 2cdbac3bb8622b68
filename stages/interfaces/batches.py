"""Batches and blocks of users: their items on a device, and how many users are processed at once."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from stages.run.errors import UserError

# Size of a large intermediate result: small enough for a CPU's cache, large enough to keep a GPU busy.
BLOCK_BYTES = {"cpu": 2**25, "cuda": 2**31}

Result = TypeVar("Result")


@dataclass(frozen=True)
class UserItems:
    """A batch of users with their items, in the layout of `torch.nn.functional.embedding_bag`."""

    items: Tensor
    """int64 (n_interactions,), item numbers, user after user."""
    offsets: Tensor
    """int64 (n_users,), position in `items` where each user's items start."""
    lengths: Tensor
    """int64 (n_users,), how many items each user has; of some of them only, `items` may hold some."""
    users: Tensor
    """int64 (n_interactions,), row in the batch of the user of each interaction."""

    def block(self, start: int, end: int) -> "UserItems":
        """The users from row `start` up to, but without, row `end`."""
        if start == 0 and end == len(self.lengths):
            return self  # on a GPU, int() below would wait for the device
        first = int(self.offsets[start])
        last = int(self.offsets[end]) if end < len(self.offsets) else len(self.items)
        return UserItems(
            self.items[first:last],
            self.offsets[start:end] - first,
            self.lengths[start:end],
            self.users[first:last] - start,
        )


class SparseRows:
    """A sparse 0/1 matrix of users × items on a device, from which batches of users are gathered.

    Parameters
    ----------
    matrix : (n_users, n_items) 0/1
    device : device that holds the matrix
    """

    def __init__(self, matrix: csr_array, device: torch.device) -> None:
        self.starts = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self.items = torch.from_numpy(matrix.indices).to(device)  # 4 bytes each, and on a CPU where they are

    def __len__(self) -> int:
        return len(self.starts) - 1

    def all(self) -> UserItems:
        """All rows in order."""
        lengths = self.starts.diff()
        return UserItems(self.items.long(), self.starts[:-1], lengths, _repeated(lengths))

    def rows(self, rows: Tensor) -> UserItems:
        """A batch of the given rows; rows : int64 (n_users,)."""
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        offsets = lengths.cumsum(0) - lengths
        users = _repeated(lengths)
        # Position in the batch plus the offset from there to the user's items in the matrix.
        places = torch.arange(len(users), device=users.device) + (starts - offsets)[users]
        return UserItems(self.items[places].long(), offsets, lengths, users)


def _repeated(lengths: Tensor) -> Tensor:
    """Each row number i, repeated lengths[i] times : int64 (lengths.sum(),)."""
    return torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)


def users_at_once(bytes_per_user: int, device: torch.device) -> int:
    """How many users fit into one block of an intermediate result, at least 1."""
    return max(1, BLOCK_BYTES[device.type] // bytes_per_user)


class Blocks:
    """Processes users in blocks, and halves the block size whenever the device runs out of memory.

    Parameters
    ----------
    most_users : largest number of users in a block
    """

    def __init__(self, most_users: int) -> None:
        self.most_users = most_users

    def run(self, work: Callable[[int, int], Result], n_users: int) -> Iterator[Result]:
        """Yield `work(start, end)` for one block of users after the other.

        After an out-of-memory error, `work` is called again with the same start and a smaller end.

        Raises
        ------
        UserError
            where the device has too little memory even for one user.
        """
        start = 0
        while start < n_users:
            end = min(n_users, start + math.ceil(n_users / math.ceil(n_users / self.most_users)))  # of equal size
            try:
                result = work(start, end)
            except torch.OutOfMemoryError:
                pass  # the traceback holds tensors: retry once it is freed
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
