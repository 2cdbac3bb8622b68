"""The best items of one user, and why they are."""

from typing import Any, NamedTuple

import numpy as np

from stages.serving.package.package import Package
from stages.serving.reasons import weights
from stages.serving.scoring.popularity import Popularity
from stages.serving.scoring.scorer import Scorer

MOST_REASONS = 3


class Person(NamedTuple):
    """A user of whom more than the code is known."""

    code: np.ndarray | None
    """uint8 (n_bytes,); None of a user without one, who is shown what is popular."""
    history: np.ndarray
    """int64, columns that the code was made of."""
    seen: np.ndarray
    """int64, columns that are left out."""


class Reason(NamedTuple):
    """An item of the history."""

    item: int | str
    title: str
    weight: float
    """What the score of the recommended item loses without it."""


class Recommended(NamedTuple):
    """An item for a user."""

    item: int | str
    title: str
    score: float
    because: list[Reason]
    """The items of the history that raise the score most, falling."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "because": [reason._asdict() for reason in self.because]}


def recommended(person: Person, package: Package, scorer: Scorer, n: int) -> list[Recommended]:
    """The n best items, or as many as are left; UserError where there are fewer items than `n`."""
    if person.code is None:
        items, scores = Popularity(package.items).top(1, n, [person.seen])
    else:
        items, scores = scorer.top(person.code[None], n, [person.seen])
    shown = items[0][items[0] >= 0]
    explained = person.code is not None and package.encoder is not None and len(person.history) > 0
    of_history = weights(package, person.history, shown) if explained else np.empty((len(shown), 0), np.float32)
    return [
        Recommended(*_named(package, column), score.item(), _reasons(package, person.history, raised))
        for column, score, raised in zip(shown, scores[0], of_history, strict=False)
    ]


def _reasons(package: Package, history: np.ndarray, raised: np.ndarray) -> list[Reason]:
    order = np.argsort(-raised, kind="stable")[:MOST_REASONS]
    return [Reason(*_named(package, history[place]), raised[place].item()) for place in order if raised[place] > 0]


def _named(package: Package, column: int) -> tuple[int | str, str]:
    """Id and title; an empty title where there is none."""
    items = package.items
    return items.ids[column : column + 1].tolist()[0], items.titles[column] if items.titles else ""
