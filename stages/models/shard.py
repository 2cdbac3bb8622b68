"""The items of one process, where several train a model together.

Each process sees all users of a step, and has the rows of its own items in the first and the last layer, the only ones
that grow with the catalogue; all others are the same everywhere. So a step exchanges sums over items for the users of
the batch, and no gradient of a weight (Shoeybi et al. 2019, Megatron-LM, does so with embeddings and the output layer).
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from stages.interfaces.batches import UserItems
from stages.run.errors import UserError

Result = TypeVar("Result")
Rows = TypeVar("Rows", Tensor, np.ndarray)

OF_ITEMS = ("input_weight", "output.weight", "output.bias")
"""Parameters with a row for each item."""


class AllItems:
    """One process has all items, and nothing is exchanged.

    Parameters
    ----------
    n_items : of the catalogue
    """

    rank, n_processes = 0, 1

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items

    @property
    def n_own(self) -> int:
        """How many items this process has."""
        return len(range(self.rank, self.n_items, self.n_processes))

    @property
    def most_own(self) -> int:
        """How many items a process has at most."""
        return len(range(0, self.n_items, self.n_processes))

    def own_rows(self, of_items: Rows) -> Rows:
        """The rows of this process's items; of_items : (n_items, …)."""
        return of_items[self.rank :: self.n_processes]

    def own(self, batch: UserItems) -> tuple[UserItems, Tensor | slice]:
        """The interactions of a batch with this process's items, and which these are.

        Items are numbered as their rows here, and lengths stay those of whole histories.
        """
        return batch, slice(None)

    def summed(self, partial: Tensor) -> Tensor:
        """The sum over all processes of sums over their items, differentiable in this process's."""
        return partial

    def add_up(self, partial: Tensor) -> Tensor:
        """The same, in place and not differentiable."""
        return partial

    def copied(self, hidden: Tensor) -> Tensor:
        """The same; its gradient is the sum of all processes'."""
        return hidden

    def largest(self, values: Tensor) -> Tensor:
        """The largest of all processes' values, place by place."""
        return values

    def on_first(self, work: Callable[[], Result]) -> Result:
        """What the first process finds, in all; a UserError there is one everywhere."""
        return work()

    def whole(self, state: dict[str, Any]) -> dict[str, Any]:
        """The same with the rows of all items in the first process, and with None for them in others.

        Parameters
        ----------
        state : values by names of parameters; what is in `OF_ITEMS` has a row for each of this process's items
        """
        return state

    def own_part(self, state: dict[str, Any]) -> dict[str, Any]:
        """The reverse, in any process."""
        return state


class SomeItems(AllItems):
    """One of several processes, whose items are those with its rank modulo their number.

    So each has its share of the popular items, which the catalogue begins with.
    """

    def __init__(self, n_items: int) -> None:
        super().__init__(n_items)
        self.rank, self.n_processes = dist.get_rank(), dist.get_world_size()

    def own(self, batch: UserItems) -> tuple[UserItems, Tensor | slice]:
        """As in `AllItems`."""
        is_own = batch.items % self.n_processes == self.rank
        users = batch.users[is_own]
        offsets = torch.searchsorted(users, torch.arange(len(batch.lengths), device=users.device))
        items = torch.div(batch.items[is_own], self.n_processes, rounding_mode="floor")
        return UserItems(items, offsets, batch.lengths, users, offsets), is_own

    def summed(self, partial: Tensor) -> Tensor:
        """As in `AllItems`."""
        total: Tensor = _Summed.apply(partial)
        return total

    def add_up(self, partial: Tensor) -> Tensor:
        """As in `AllItems`."""
        dist.all_reduce(partial)
        return partial

    def copied(self, hidden: Tensor) -> Tensor:
        """As in `AllItems`."""
        copy: Tensor = _Copied.apply(hidden)
        return copy

    def largest(self, values: Tensor) -> Tensor:
        """As in `AllItems`."""
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return values

    def on_first(self, work: Callable[[], Result]) -> Result:
        """As in `AllItems`."""
        found: list[Any] = [None, None]
        if self.rank == 0:
            try:
                found[0] = work()
            except UserError as error:
                found[1] = error
        dist.broadcast_object_list(found, src=0)
        if found[1] is not None:
            raise found[1]
        result: Result = found[0]
        return result

    def whole(self, state: dict[str, Any]) -> dict[str, Any]:
        """As in `AllItems`."""
        return {name: self._gathered(value) if name in OF_ITEMS else value for name, value in state.items()}

    def own_part(self, state: dict[str, Any]) -> dict[str, Any]:
        """As in `AllItems`."""
        return {name: self.own_rows(value).clone() if name in OF_ITEMS else value for name, value in state.items()}

    def _gathered(self, own: Tensor) -> Tensor | None:
        """The rows of all items, in the first process."""
        padded = own.new_zeros(self.most_own, *own.shape[1:])
        padded[: self.n_own] = own
        pieces = [torch.empty_like(padded) for _ in range(self.n_processes)] if self.rank == 0 else None
        dist.gather(padded, pieces)
        if pieces is None:
            return None
        return torch.stack(pieces, 1).flatten(0, 1)[: self.n_items]


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, partial: Tensor) -> Tensor:  # noqa: ARG004
        total = partial.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        """Every process has the gradient of the sum, and so that of its own part."""
        return grad


class _Copied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor) -> Tensor:  # noqa: ARG004
        return hidden.view_as(hidden)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        """A process has the gradient through its own items."""
        grad = grad.clone()
        dist.all_reduce(grad)
        return grad
