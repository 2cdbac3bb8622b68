"""The multinomial likelihood over a sample of the items, for catalogues that are too large for all."""

import numpy as np
import torch
from torch import Tensor, nn

from stages.interfaces.batches import UserItems
from stages.models.likelihood import SoftTarget
from stages.models.shard import AllItems


class SampledLoss:
    """Mean over users of −Σ log-softmax of their items, where the softmax's denominator is estimated.

    A user's own items are in it as they are. Of the others a sample stands for all, drawn anew in each step, item by
    item, with a chance in proportion to its interactions, and 1 for the most popular. What is drawn counts for as many
    items as its chance says (Horvitz & Thompson 1952), so the denominator is right on average; that the chance follows
    popularity keeps its variance small, as the softmax does so too (Bengio & Senécal 2008). All is float32.

    Parameters
    ----------
    output : layer d → this process's items
    interactions : int64 (n_items,), interactions of each item in train
    n_sampled : items in a sample, on average
    shard : which items this process has; None for all
    """

    def __init__(self, output: nn.Linear, interactions: np.ndarray, n_sampled: int, shard: AllItems | None = None):
        self.output = output
        self.shard = shard or AllItems(output.out_features)
        chances = torch.from_numpy(sample_chances(interactions, n_sampled)).to(output.weight.device)
        self.chances, self.own_log_chances = chances, self.shard.own_rows(chances).log()
        self.sample = torch.arange(self.shard.n_own, device=chances.device)
        self.place = torch.empty(0)

    def draw(self, generator: torch.Generator) -> None:
        """Draw the sample of a step; generator : on the device of the layer, at the same state in all processes."""
        drawn = torch.rand(len(self.chances), generator=generator, device=self.chances.device) < self.chances
        self.sample = self.shard.own_rows(drawn).nonzero()[:, 0]

    def __call__(self, hidden: Tensor, batch: UserItems, soft: SoftTarget | None = None) -> Tensor:
        """The loss, as `MultinomialLoss` gives it.

        With target probabilities these are of the same sample, and a user's items count as all others do.
        """
        own, _ = self.shard.own(batch)
        hidden = self.shard.copied(hidden)
        logits = self._logits(hidden, self.output)
        if soft is not None:
            with torch.no_grad():
                targets = self._logits(soft.hidden, soft.output)
                targets = (targets - self._log_normaliser(targets)[:, None]).exp()
            correct = logits + self.own_log_chances[self.sample]
            expected = self.shard.summed(torch.linalg.vecdot(targets, correct))
            return (batch.lengths * (self._log_normaliser(logits) - expected)).mean()
        of_items = torch.linalg.vecdot(hidden[own.users], self.output.weight[own.items]) + self.output.bias[own.items]
        place = torch.full((self.shard.n_own,), -1, device=logits.device).index_copy(
            0, self.sample, torch.arange(len(self.sample), device=logits.device)
        )[own.items]
        drawn = place >= 0
        logits = logits.index_put((own.users[drawn], place[drawn]), logits.new_tensor(-torch.inf))
        normaliser = self._log_normaliser(logits, (of_items, own.users))
        likelihood = self.shard.summed(of_items.sum()) - (batch.lengths * normaliser).sum()
        return -likelihood / len(hidden)

    def _logits(self, hidden: Tensor, output: nn.Linear) -> Tensor:
        """(n_users, sample), higher by what a drawn item counts for."""
        bias = output.bias[self.sample] - self.own_log_chances[self.sample]
        return torch.addmm(bias, hidden, output.weight[self.sample].T)

    def _log_normaliser(self, logits: Tensor, own: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Log of the sum of exponentials over all processes, float32 (n_users,).

        own : logits of users' own items, which count too, and whose they are
        """
        largest = logits.detach().amax(1) if logits.shape[1] else logits.new_full((len(logits),), -torch.inf)
        if own is not None:
            largest = largest.scatter_reduce(0, own[1], own[0].detach(), "amax")
        largest = self.shard.largest(largest)
        total = (logits - largest[:, None]).exp().sum(1)
        if own is not None:
            total = total.index_add(0, own[1], (own[0] - largest[own[1]]).exp())
        return largest + self.shard.summed(total).log()


def sample_chances(interactions: np.ndarray, n_sampled: int) -> np.ndarray:
    """Chance of each item to be in a sample, float32 (n_items,), in proportion to its interactions, and at most 1.

    They add up to `n_sampled`, or are all 1 where there are fewer items.

    Parameters
    ----------
    interactions : int64 (n_items,); one without any counts as if it had one
    """
    weights = np.maximum(interactions, 1).astype(np.float64)
    if n_sampled >= len(weights):
        return np.ones(len(weights), dtype=np.float32)
    ascending = np.sort(weights)
    # With the k most popular at 1, the others share what is left; k is the least for which no share is above 1.
    left = n_sampled - np.arange(n_sampled)
    share = left / np.cumsum(ascending)[::-1][:n_sampled]
    scale = share[np.flatnonzero(share * ascending[::-1][:n_sampled] <= 1)[0]]
    return np.minimum(scale * weights, 1).astype(np.float32)
