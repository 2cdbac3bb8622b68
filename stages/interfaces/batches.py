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
BLOCK_BYTES = {"cpu": 20 * 2**20, "cuda": 2**31}

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
    host_offsets: Tensor
    """The offsets on the host, where they are known there: to read one of a GPU's is to wait for it."""

    def block(self, start: int, end: int) -> "UserItems":
        """The users from row `start` up to, but without, row `end`."""
        first = int(self.host_offsets[start])
        last = int(self.host_offsets[end]) if end < len(self.host_offsets) else len(self.items)
        return UserItems(
            self.items[first:last],
            self.offsets[start:end] - first,
            self.lengths[start:end],
            self.users[first:last] - start,
            self.host_offsets[start:end] - first,
        )


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix that are to be gathered."""

    numbers: Tensor
    """int64 (n,), on the matrix's device."""
    host_lengths: Tensor
    """int64 (n,), how many interactions each has, on the host."""

    def __len__(self) -> int:
        return len(self.numbers)


class SparseRows:
    """A sparse 0/1 matrix of users × items on a device, from which batches of users are gathered.

    Parameters
    ----------
    matrix : (n_users, n_items) 0/1
    device : device that holds the matrix
    """

    def __init__(self, matrix: csr_array, device: torch.device) -> None:
        self._host_starts = torch.from_numpy(matrix.indptr.astype(np.int64))
        self.starts = self._host_starts.to(device)
        self.items = torch.from_numpy(matrix.indices).to(device)  # 4 bytes each, and on a CPU where they are

    def __len__(self) -> int:
        return len(self.starts) - 1

    def all(self) -> UserItems:
        """All rows in order."""
        lengths, offsets = self.starts.diff(), self._host_starts[:-1]
        users = _repeated(lengths, len(self.items))
        return UserItems(self.items.long(), self.starts[:-1], lengths, users, offsets)

    def batches(self, order: Tensor, size: int) -> list[Rows]:
        """All rows of an order, some at a time; on a GPU this waits for the order, and no batch waits again.

        Parameters
        ----------
        order : int64 (n,), numbers of rows, on the matrix's device
        size : rows in a batch; the last one has fewer
        """
        lengths = self._host_starts.diff()[order.cpu()]
        return [Rows(*parts) for parts in zip(order.split(size), lengths.split(size), strict=True)]

    def rows(self, rows: Rows) -> UserItems:
        """A batch of the given rows."""
        starts = self.starts[rows.numbers]
        lengths = self.starts[rows.numbers + 1] - starts
        offsets, host_offsets = (of.cumsum(0) - of for of in (lengths, rows.host_lengths))
        users = _repeated(lengths, int(rows.host_lengths.sum()))
        # Position in the batch plus the offset from there to the user's items in the matrix.
        places = torch.arange(len(users), device=users.device) + (starts - offsets).index_select(0, users)
        return UserItems(self.items.index_select(0, places).long(), offsets, lengths, users, host_offsets)


def _repeated(lengths: Tensor, total: int) -> Tensor:
    """Each row number i, repeated lengths[i] times : int64 (total,)."""
    return torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths, output_size=total)


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
