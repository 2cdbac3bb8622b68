"""The training loop of the auto-encoders, which can stop after any epoch and go on as if it never had."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from stages.interfaces.recommender import Interactions
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck
from stages.models.likelihood import MultinomialLoss
from stages.run.errors import DivergedError

MOST_PARTS_TO_START = 4  # of each user's history
MOST_VECTORS_TO_START = 65_536  # 256 per code: faiss's own limit for k-means


@dataclass(frozen=True)
class Epoch:
    """What one pass over the train users gave."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over users, with dropout; with the KL term or the commitment loss."""
    validation_ndcg: float
    """NDCG@100 of the validation users, with quantization on once it has started."""


class Training:
    """Adam on mini-batches of users; keeps the weights of the epoch with the best validation NDCG@100.

    A model with a bottleneck is trained in float first. Its codebooks start from the best epoch of that, and of what
    comes then the best is kept: that start, or an epoch after it.

    Parameters
    ----------
    model : gets its first weights here
    train : (n_users, n_items) 0/1
    validate : NDCG@100 of the model as it is
    epochs : passes over the train users
    batch_size : users
    learning_rate : of Adam
    cooldown : last share of the epochs, over which the learning rate falls to 0, that weights and codes come to rest
    l2 : in Liang's convention: the loss adds l2 / batch_size · Σ weight², biases excluded
    precision : of the products with the items' output weights, float32 or bfloat16; all else is float32
    seed : of everything that is drawn, on the model's device but for the first weights
    """

    def __init__(
        self,
        model: AutoEncoder,
        train: csr_array,
        validate: Callable[[], float],
        *,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        cooldown: float,
        l2: float,
        precision: torch.dtype,
        seed: int,
    ) -> None:
        self.model = model
        self.train = train
        self.validate = validate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.likelihood = MultinomialLoss(model.output, precision)
        device = model.output.weight.device
        self.generator = torch.Generator(device).manual_seed(seed)
        model.initialise(self.generator if device.type == "cpu" else torch.Generator().manual_seed(seed))
        self.interactions = Interactions(train, device)
        self.learning_rate = learning_rate
        self.cooldown = cooldown
        self.l2 = l2
        self.optimizer = self._new_optimizer()
        self.float_epochs = 0 if model.bottleneck is None else int(model.bottleneck.rules.start_share * epochs)
        self.curve: list[Epoch] = []
        self.epoch_seconds = math.nan
        """Of the last epoch's steps, without the start of codebooks and validation."""
        self.best_weights: dict[str, torch.Tensor] = {}
        self.best_ndcg = -math.inf

    def run(self, progress: Callable[[Iterable[torch.Tensor]], Iterable[torch.Tensor]]) -> Iterator[Epoch]:
        """Train the epochs that are left, and yield after each.

        Parameters
        ----------
        progress : wraps the batches of an epoch, to show how far it is

        Raises
        ------
        DivergedError
            where the loss or a weight is no longer finite; before the weights of that step are kept anywhere.
        """
        bottleneck = self.model.bottleneck
        while len(self.curve) < self.epochs:
            if bottleneck is not None and len(self.curve) == self.float_epochs:
                self._start(bottleneck)
            started = perf_counter()
            loss = self._train_epoch(progress)
            self.epoch_seconds = perf_counter() - started
            epoch = Epoch(len(self.curve) + 1, loss, self.validate())
            self.curve.append(epoch)
            self._keep_if_best(epoch.validation_ndcg)
            yield epoch

    def state_dict(self) -> dict[str, Any]:
        """All that another process needs to go on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "curve": [(epoch.epoch, epoch.loss, epoch.validation_ndcg) for epoch in self.curve],
            "best_weights": self.best_weights,
            "best_ndcg": self.best_ndcg,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.curve = [Epoch(*values) for values in state["curve"]]
        self.best_weights = state["best_weights"]
        self.best_ndcg = state["best_ndcg"]

    def _new_optimizer(self) -> torch.optim.Adam:
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim == 2]
        biases = [parameter for parameter in self.model.parameters() if parameter.ndim == 1]
        # Adam's weight_decay adds decay · weight to the gradient: that of decay / 2 · weight².
        decay = 2 * self.l2 / self.batch_size
        groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
        return torch.optim.Adam(groups, lr=self.learning_rate, fused=True)

    def _train_epoch(self, progress: Callable[[Iterable[torch.Tensor]], Iterable[torch.Tensor]]) -> float:
        self.model.train()
        order = torch.randperm(len(self.interactions), generator=self.generator, device=self.generator.device)
        batches = order.split(self.batch_size)
        done, total = len(self.curve) * len(batches), self.epochs * len(batches)
        loss_sum = 0.0
        for step, users in enumerate(progress(batches)):
            share_done = (done + step) / total
            self._set_learning_rate(share_done)
            batch = self.interactions.rows(users)
            loss = self.model.loss(batch, share_done, self.generator, self.likelihood)
            self._check(loss, "the loss", f"step {step + 1} of {len(batches)}")
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss_sum += loss.item() * len(users)
        for name, weights in self.model.named_parameters():
            self._check(weights, name, "its last step")  # a checkpoint is of good weights
        self.model.eval()
        return loss_sum / len(self.interactions)

    def _check(self, values: torch.Tensor, name: str, step: str) -> None:
        if not bool(values.isfinite().all()):
            rate = self.optimizer.param_groups[0]["lr"]
            raise DivergedError(
                f"{name} is no longer finite in epoch {len(self.curve) + 1}, {step}, at learning rate {rate:g}; "
                "lower learning_rate of this model in params.yaml"
            )

    def _keep_if_best(self, validation_ndcg: float) -> None:
        if validation_ndcg > self.best_ndcg:
            self.best_ndcg = validation_ndcg
            self.best_weights = copy.deepcopy(self.model.state_dict())

    def _set_learning_rate(self, share_done: float) -> None:
        left = 1 - share_done
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * (left / self.cooldown if left < self.cooldown else 1.0)

    def _start(self, bottleneck: Bottleneck) -> None:
        """Go back to the best float weights, and fit codebooks on their embeddings of train users, without dropout."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
            self.best_weights, self.best_ndcg = {}, -math.inf
            self.optimizer = self._new_optimizer()
        self.model.eval()
        device = self.generator.device
        users = torch.randperm(len(self.interactions), generator=self.generator, device=device)[:MOST_VECTORS_TO_START]
        histories = self.train[users.cpu().numpy()]
        if bottleneck.rules.follow == "parts":
            n_parts = min(MOST_PARTS_TO_START, MOST_VECTORS_TO_START // len(users))
            vectors = np.concatenate([self.model.embed_parts(histories, self.generator) for _ in range(n_parts)])
        else:
            vectors = self.model.embed(histories)
        bottleneck.start(vectors, self.model.output, self.seed, self.batch_size)
        self._keep_if_best(self.validate())  # as if quantized after training
