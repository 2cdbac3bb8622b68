"""The training loop, which can stop after any epoch and resume with the same results."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeVar

import torch
from scipy.sparse import csr_array

from stages.interfaces.batches import Rows, SparseRows, UserItems
from stages.interfaces.matrix_files import interactions_of_items
from stages.models.likelihood import MultinomialLoss
from stages.models.sampled import SampledLoss
from stages.models.shard import OF_ITEMS
from stages.run.errors import DivergedError
from stages.training.trainable import Likelihood, Trainable

Model = TypeVar("Model", bound=Trainable)

Progress = Callable[[Iterable[Rows]], Iterable[Rows]]

STEPS_BETWEEN_LOOKS = 200
"""A GPU is asked so rarely whether the loss is finite: to ask is to wait for it."""
WEIGHTS = ("model", "best_weights")  # where a training's state has all weights of its model


def float_epochs(share: float, epochs: int) -> int:
    """Epochs before codebooks start; share : `start` in params.yaml."""
    return int(share * epochs)


@dataclass(frozen=True)
class Epoch:
    """Results of one pass over the train users."""

    epoch: int
    """Number of the epoch, from 1."""
    loss: float
    """Mean over users of the negative log-likelihood of their items, with dropout; no KL term, no commitment loss."""
    validation_ndcg: float
    """NDCG@100 of the validation users, quantized once the codebooks have started."""


class Training(Generic[Model]):
    """Trains with Adam on mini-batches of users, and records the weights with the best validation NDCG@100.

    A model with codebooks is trained in float32 first. Its codebooks start from the best of these epochs, and the best
    weights are then chosen anew, among this start and the epochs after it.

    Parameters
    ----------
    model : model to train, or this process's part of one; it is initialised here
    train : (n_users, n_items) 0/1
    validate : function that returns NDCG@100 of the whole model's weights on the validation users
    epochs : passes over the train users
    batch_size : users per step
    learning_rate : learning rate of Adam
    cooldown : share of the training at its end, over which the learning rate falls linearly to 0, so that weights and
        codes settle
    l2 : weight of the L2 penalty in Liang's convention: the loss adds l2 / batch_size · Σ weight², without biases
    precision : dtype of the products with the output layer's weights, float32 or bfloat16; all else is float32
    seed : seed of all random draws; initial weights are drawn on the CPU, all else on the model's device
    n_sampled : items that stand for all in the softmax, drawn anew in each step; None takes all
    whole : the whole model, which `validate` measures, if `model` is a part of it
    """

    def __init__(
        self,
        model: Model,
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
        n_sampled: int | None = None,
        whole: Model | None = None,
    ) -> None:
        self.model = model
        self.whole = model if whole is None else whole
        self.train = train
        self.validate = validate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.likelihood: Likelihood
        if n_sampled is None:
            self.likelihood = MultinomialLoss(model.output, precision, model.shard)
        else:
            self.likelihood = SampledLoss(model.output, interactions_of_items(train), n_sampled, model.shard)
        device = model.output.weight.device
        self.generator = torch.Generator(device).manual_seed(seed)
        model.initialise(self.generator if device.type == "cpu" else torch.Generator().manual_seed(seed))
        self.interactions = SparseRows(train, device)
        self.learning_rate = learning_rate
        self.cooldown = cooldown
        self.l2 = l2
        self.optimizer = self._new_optimizer()
        self.float_epochs = epochs if model.float_share is None else float_epochs(model.float_share, epochs)
        self.curve: list[Epoch] = []
        self.epoch_seconds = math.nan
        """Seconds that the last epoch's steps took, without the start of codebooks and validation."""
        self.best_weights: dict[str, torch.Tensor] = {}
        self.best_ndcg = -math.inf

    def run(self, progress: Progress) -> Iterator[Epoch]:
        """Train the remaining epochs, and yield after each.

        Parameters
        ----------
        progress : wrapper of an epoch's batches that shows progress, such as tqdm; `iter` for none

        Raises
        ------
        DivergedError
            where the loss or a weight is no longer finite; these weights are neither yielded nor recorded as best.
        UserError
            where the codebooks cannot be fitted, or the device has too little memory for one user.
        """
        while len(self.curve) < self.epochs:
            if len(self.curve) == self.float_epochs:
                self._start_codebooks()
            started = perf_counter()
            loss = self._train_epoch(progress)
            self.epoch_seconds = perf_counter() - started
            self._unite()
            epoch = Epoch(len(self.curve) + 1, loss, self.validate())
            self.curve.append(epoch)
            self._keep_if_best(epoch.validation_ndcg)
            yield epoch

    def state_dict(self) -> dict[str, Any]:
        """State from which other processes can resume; only the results, a quarter of that, for a finished training.

        Of several processes that train together, the first gets it, and all have to ask.
        """
        results = {
            "curve": [(epoch.epoch, epoch.loss, epoch.validation_ndcg) for epoch in self.curve],
            "best_weights": self.model.shard.whole(self.best_weights),
            "best_ndcg": self.best_ndcg,
        }
        if len(self.curve) == self.epochs:
            return results
        return results | {
            "model": self.model.shard.whole(self.model.state_dict()),
            "optimizer": self._moments(self.optimizer.state_dict(), self.model.shard.whole),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state_dict`; for a finished training, the weights of `model` are not restored."""
        self.curve = [Epoch(*values) for values in state["curve"]]
        own = self.model.shard.own_part
        self.best_weights = own(state["best_weights"])
        self.best_ndcg = state["best_ndcg"]
        if len(self.curve) < self.epochs:
            self.model.load_state_dict(own(state["model"]))
            self.optimizer.load_state_dict(self._moments(state["optimizer"], own))
            self.generator.set_state(state["generator"])

    def float_state_dict(self) -> dict[str, Any]:
        """State of an unfinished training before codebooks start; the same for a model with them and without."""
        names = [name for name, _ in self.model.named_parameters()]  # a buffer belongs to codebooks
        state = self.state_dict()
        return state | {key: {name: state[key][name] for name in names} for key in WEIGHTS}

    def load_float_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the `float_state_dict` of a training that differs in nothing but its codebooks."""
        own = {key: copy.deepcopy(self.model.state_dict()) for key in WEIGHTS}
        for key, weights in own.items():
            weights.update(state[key])
        self.load_state_dict(state | own)

    def _unite(self) -> None:
        """Give the whole model the weights of all processes."""
        if self.whole is not self.model:
            state = self.model.shard.whole(self.model.state_dict())
            if self.model.shard.rank == 0:
                self.whole.load_state_dict(state)
            self._take_from_first()

    def _take_from_first(self) -> None:
        """All but the rows of items: differences in rounding between unlike processors would grow."""
        shard = self.model.shard
        if self.whole is not self.model:
            others = shard.on_first(lambda: {n: t for n, t in self.whole.state_dict().items() if n not in OF_ITEMS})
            self.model.load_state_dict(others, strict=False)
            self.generator.set_state(shard.on_first(self.generator.get_state))

    def _moments(self, state: dict[str, Any], part: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """The optimizer's state with another part of the moments, which it has by the number of the parameter."""
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        order = [names[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]]
        changed = {number: dict(of_parameter) for number, of_parameter in state["state"].items()}
        for moment in ("exp_avg", "exp_avg_sq"):
            parts = part({order[number]: of_parameter[moment] for number, of_parameter in changed.items()})
            for number, of_parameter in changed.items():
                of_parameter[moment] = parts[order[number]]
        return state | {"state": changed}

    def _new_optimizer(self) -> torch.optim.Adam:
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim == 2]
        biases = [parameter for parameter in self.model.parameters() if parameter.ndim == 1]
        # Adam's weight_decay adds decay · weight to the gradient, which is the gradient of decay / 2 · weight².
        decay = 2 * self.l2 / self.batch_size
        groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
        return torch.optim.Adam(groups, lr=self.learning_rate, fused=True)

    def _train_epoch(self, progress: Progress) -> float:
        self.model.train()
        order = torch.randperm(len(self.interactions), generator=self.generator, device=self.generator.device)
        batches = self.interactions.batches(order, self.batch_size)
        done, total = len(self.curve) * len(batches), self.epochs * len(batches)
        found = torch.zeros(len(batches), 2, device=order.device)  # of each step, loss and likelihood
        for step, rows in enumerate(progress(batches)):
            share_done = (done + step) / total
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate(share_done)
            self.step(self.interactions.rows(rows), share_done, found[step])
            if (step + 1) % STEPS_BETWEEN_LOOKS == 0:
                self._check_losses(found)
        self._check_losses(found)
        for name, weights in self.model.named_parameters():  # so that no checkpoint has such weights
            if not weights.isfinite().all():
                raise self._diverged(name, len(batches))
        self.model.eval()
        likelihoods = found[:, 1].tolist()
        return sum(mean * len(rows) for mean, rows in zip(likelihoods, batches, strict=True)) / len(self.interactions)

    def step(self, batch: UserItems, share_done: float, found: torch.Tensor) -> None:
        """A step of the optimizer; it never waits for a GPU, but for the softmax over a sample of the items.

        Parameters
        ----------
        batch : users whose items are both input and target
        share_done : of the training
        found : (2,), which becomes the loss and its likelihood
        """
        self.likelihood.draw(self.generator)
        losses = self.model.loss(batch, share_done, self.generator, self.likelihood)
        self.optimizer.zero_grad()
        losses.total.backward()
        self.optimizer.step()
        torch.stack([losses.total.detach(), losses.likelihood.detach()], out=found)

    def _check_losses(self, found: torch.Tensor) -> None:
        wrong = (~found.isfinite().all(1)).nonzero()
        if len(wrong):
            raise self._diverged("the loss", int(wrong[0]) + 1)

    def _diverged(self, name: str, step: int) -> DivergedError:
        n_steps = math.ceil(len(self.interactions) / self.batch_size)
        share_done = (len(self.curve) * n_steps + step - 1) / (self.epochs * n_steps)
        rate = self._rate(share_done)
        return DivergedError(
            f"{name} is no longer finite in epoch {len(self.curve) + 1}, step {step} of {n_steps}, at learning rate "
            f"{rate:g}; lower learning_rate of this model in params.yaml"
        )

    def _keep_if_best(self, validation_ndcg: float) -> None:
        if validation_ndcg > self.best_ndcg:
            self.best_ndcg = validation_ndcg
            self.best_weights = copy.deepcopy(self.model.state_dict())

    def _rate(self, share_done: float) -> float:
        """The learning rate of a step."""
        left = 1 - share_done
        return self.learning_rate * (left / self.cooldown if left < self.cooldown else 1.0)

    def _start_codebooks(self) -> None:
        """Restore the best float32 weights, and start the model's codebooks from them."""
        if self.best_weights:
            self.model.load_state_dict(self.best_weights)
            self.best_weights, self.best_ndcg = {}, -math.inf
            self.optimizer = self._new_optimizer()
        self.model.eval()
        self._unite()
        self.model.shard.on_first(
            lambda: self.whole.start_codebooks(self.train, self.seed, self.batch_size, self.generator)
        )
        self._take_from_first()
        self._keep_if_best(self.validate())  # the start, equal to quantization after training
