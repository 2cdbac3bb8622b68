"""What a code is worth to a user: the cross-entropy of its scores with a target, over a shortlist of the items."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from stages.interfaces.batches import UserItems
from stages.ranking.top import top_items

SHORTLIST = 512  # items of a user whose scores are computed for every candidate; the others count to second order
SMALLEST_REST = 1e-6  # of the probability of the other items, so that nothing is divided by 0


class Decoder:
    """The output layer, and how the scores of its items vary together.

    Parameters
    ----------
    weight : float32 (n_items, d)
    bias : float32 (n_items,)
    centre : float32 (d,), a vector in the middle of all users'
    """

    def __init__(self, weight: Tensor, bias: Tensor, centre: Tensor) -> None:
        self.weight, self.bias = weight, bias
        expected = self.logits(centre[None])[0].softmax(0)
        self.covariance = _covariance(weight, expected)
        """float32 (d, d), of the items' weights at the centre: the curvature of the loss, per interaction."""
        is_rest = torch.ones_like(expected)
        is_rest[top_items(expected[None], min(SHORTLIST, len(weight)))[0]] = 0
        self.rest_covariance = _covariance(weight, expected * is_rest)
        """float32 (d, d), the same of items beyond a shortlist alone, which vary less; 0 where there are none."""

    def logits(self, vectors: Tensor) -> Tensor:
        """Scores float32 (n, n_items) of vectors float32 (n, d)."""
        return torch.addmm(self.bias, vectors, self.weight.T)


def _shortlist(probabilities: Tensor) -> Tensor:
    """The most probable items of each user, int64 (n, shortlist), in any order; probabilities : (n, n_items)."""
    n_items = probabilities.shape[1]
    length = min(SHORTLIST, n_items)
    if probabilities.device.type != "cpu":
        return top_items(probabilities, length)
    # A third of the time: it sorts nothing.
    return torch.from_numpy(np.argpartition(probabilities.numpy(), n_items - length, axis=1)[:, n_items - length :])


def _covariance(weight: Tensor, probabilities: Tensor) -> Tensor:
    """Of the items' weights, float32 (d, d); probabilities : float32 (n_items,), of any sum."""
    share = probabilities / probabilities.sum().clamp(min=torch.finfo(weight.dtype).tiny)
    centred = weight - share @ weight
    return centred.T @ (share[:, None] * centred)


@dataclass(frozen=True)
class Users:
    """The objective of each user of a block, which is lowest for the best code.

    Of a decoded vector v it is interactions · cross-entropy(target, softmax(W v + b)) + pull · ‖v − z‖², less the same
    at the embedding z. The target is a distribution over the items: the float model's softmax, the user's known items,
    or a mixture. The softmax is exact over the shortlist; the sum of all other exponentials is taken to second order
    around z.
    """

    decoder: Decoder
    pull: float
    vectors: Tensor
    """float32 (n, d), the embeddings z."""
    log_sum: Tensor
    """float32 (n, 1), log Σ exp of all items at z."""
    interactions: Tensor
    """float32 (n,), the number of known items, at least 1."""
    target: Tensor
    """float32 (n, d), mean weight of the items under the target."""
    weights: Tensor
    """float32 (n, shortlist, d), of the items that are most probable at z."""
    log_probabilities: Tensor
    """float32 (n, 1, shortlist), of these items at z."""
    rest: Tensor
    """float32 (n, 1), probability of all other items at z."""
    rest_mean: Tensor
    """float32 (n, d), mean weight of the other items at z."""

    @classmethod
    def of(cls, decoder: Decoder, vectors: Tensor, known: UserItems, share: float, pull: float) -> Self:
        """The objective of users.

        Parameters
        ----------
        vectors : float32 (n, d), their embeddings
        known : their items; of a user without items the target is the float model's softmax
        share : of the known items in the target; the rest is the float model's softmax
        pull : weight of the squared distance to the embedding
        """
        weight = decoder.weight
        logits = decoder.logits(vectors)
        probabilities = logits.softmax(1)
        mean = probabilities @ weight
        best = _shortlist(probabilities)
        of_best = probabilities.gather(1, best)
        first = of_best.argmax(1, keepdim=True)
        log_sum = logits.gather(1, best.gather(1, first)) - of_best.gather(1, first).log()
        weights = weight.index_select(0, best.flatten()).view(*best.shape, -1)
        rest = (
            (1 - of_best.sum(1, keepdim=True)).clamp(min=0)
            if best.shape[1] < len(weight)
            else torch.zeros_like(of_best[:, :1])
        )
        rest_mean = (mean - torch.bmm(of_best[:, None], weights)[:, 0]) / rest.clamp(min=SMALLEST_REST)
        lengths = known.lengths.clamp(min=1).to(vectors.dtype)
        known_mean = torch.zeros_like(vectors).index_add_(0, known.users, weight[known.items]) / lengths[:, None]
        target = mean.lerp(known_mean, torch.where(known.lengths > 0, share, 0.0)[:, None])
        log_probabilities = of_best.log()[:, None]
        return cls(decoder, pull, vectors, log_sum, lengths, target, weights, log_probabilities, rest, rest_mean)

    def rows(self, rows: Tensor) -> Self:
        """Some of the users; rows : int64 (n,)."""
        of_users: dict[str, Any] = {
            field.name: value[rows] for field in fields(self) if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **of_users)

    def values(self, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """The objective of candidates, float32 (n, k), and the exponentials of the shortlist, (n, k, shortlist).

        decoded : float32 (n, k, d)
        """
        change = decoded - self.vectors[:, None]
        of_best = torch.baddbmm(self.log_probabilities, change, self.weights.transpose(1, 2)).exp_()
        return self._objective(of_best.sum(2) + self._of_rest(change), change), of_best

    def values_of_steps(self, decoded: Tensor, steps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `values` of vectors with each of k steps alone, and with the first 2, 3, … k of them together.

        Scores are linear, so that those of the steps are enough, and need half the products.

        Parameters
        ----------
        decoded : float32 (n, d)
        steps : float32 (n, k, d)

        Returns
        -------
        objective (n, 2k - 1), exponentials (n, 2k - 1, shortlist), and the vectors (n, 2k - 1, d)
        """
        k = steps.shape[1]
        parts = torch.cat([(decoded - self.vectors)[:, None], steps], 1)  # (n, 1 + k, d)
        taken = torch.cat([torch.eye(k), torch.ones(k, k).tril()[1:]]).to(steps)  # (2k - 1, k), 0/1
        sums = torch.cat([torch.ones_like(taken[:, :1]), taken], 1).expand(len(steps), -1, -1)
        change = torch.bmm(sums, parts)
        of_best = torch.baddbmm(self.log_probabilities, sums, torch.bmm(parts, self.weights.transpose(1, 2))).exp_()
        value = self._objective(of_best.sum(2) + self._of_rest(change), change)
        return value, of_best, self.vectors[:, None] + change

    def gradients(self, decoded: Tensor, of_best: Tensor) -> Tensor:
        """The gradient of the objective at one vector of each user, float32 (n, d).

        Parameters
        ----------
        decoded : float32 (n, d)
        of_best : float32 (n, shortlist), the exponentials that `values` gave for these vectors
        """
        change = decoded - self.vectors
        of_rest = self._of_rest(change[:, None])
        mean = torch.bmm(of_best[:, None], self.weights)[:, 0]
        mean += of_rest * (self.rest_mean + change @ self.decoder.rest_covariance)
        mean /= of_best.sum(1, keepdim=True) + of_rest
        return self.interactions[:, None] * (mean - self.target) + 2 * self.pull * change

    def exact_values(self, decoded: Tensor) -> Tensor:
        """The objective without a shortlist, float32 (n, k); decoded : float32 (n, k, d)."""
        logits = self.decoder.logits(decoded.flatten(0, 1)).view(*decoded.shape[:2], -1)
        total = logits.sub_(self.log_sum[:, None]).exp_().sum(2)
        return self._objective(total, decoded - self.vectors[:, None])

    def _objective(self, total: Tensor, change: Tensor) -> Tensor:
        """The objective (n, k) of vectors.

        Parameters
        ----------
        total : (n, k), Σ exp of all items as a multiple of that at z
        change : (n, k, d), the vectors minus z
        """
        of_target = torch.bmm(change, self.target[:, :, None])[..., 0]
        value = self.interactions[:, None] * (total.log() - of_target)
        return value + self.pull * change.square().sum(2) if self.pull else value

    def _of_rest(self, change: Tensor) -> Tensor:
        """Σ exp of the items that are not on the shortlist, (n, k); change : (n, k, d)."""
        linear = torch.bmm(change, self.rest_mean[:, :, None])[..., 0]
        curved = ((change @ self.decoder.rest_covariance) * change).sum(2) / 2
        return self.rest * (linear + curved).exp()
