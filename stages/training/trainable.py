"""The interface of models that the training loop trains."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from scipy.sparse import csr_array
from torch import nn

from stages.interfaces.batches import UserItems
from stages.models.likelihood import Losses, MultinomialLoss
from stages.models.sampled import SampledLoss
from stages.models.shard import AllItems

Likelihood = MultinomialLoss | SampledLoss


class Trainable(Protocol):
    """A module whose output layer scores all items; it may have codebooks that start during the training."""

    output: nn.Linear
    """The output layer, d → items of this process."""
    shard: AllItems
    """Which items these are."""

    @property
    def float_share(self) -> float | None:
        """Share of the epochs before codebooks start; None without codebooks."""
        ...

    def initialise(self, generator: torch.Generator) -> None:
        """Draw initial weights, unless the model has trained ones; generator : generator on the CPU."""
        ...

    def loss(self, batch: UserItems, progress: float, generator: torch.Generator, likelihood: Likelihood) -> Losses:
        """Mean losses over the users of a batch.

        Parameters
        ----------
        batch : users whose items are both input and target
        progress : share of the training that is done, from 0 to 1
        generator : generator on the model's device
        likelihood : loss of this model's output layer
        """
        ...

    def start_codebooks(self, train: csr_array, seed: int, batch_size: int, generator: torch.Generator) -> None:
        """Fit initial codebooks on users of train.

        Parameters
        ----------
        train : (n_users, n_items) 0/1
        seed : seed of k-means
        batch_size : users per training step
        generator : generator on the model's device
        """
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """As in `nn.Module`, like all methods below."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...  # noqa: D102

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any: ...  # noqa: D102

    def train(self) -> Any: ...  # noqa: D102

    def eval(self) -> Any: ...  # noqa: D102
