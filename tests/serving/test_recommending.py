"""What one user is shown, and why."""

from dataclasses import replace

import numpy as np
import pytest

from stages.run.errors import UserError
from stages.serving.package.package import Items, Package
from stages.serving.reasons import weights
from stages.serving.recommending import MOST_REASONS, Person, recommended
from stages.serving.scoring.dense import Dense
from tests.serving.scoring.packages import drawn_codes
from tests.serving.test_reasons import PACKAGE

NONE = np.zeros(0, np.int64)
HISTORY = np.array([3, 7, 20, 41])
CODE = drawn_codes(PACKAGE, 1)[0]


def with_items(**changed: object) -> Package:
    items: Items = replace(PACKAGE.items, **changed)  # type: ignore[arg-type]
    return replace(PACKAGE, items=items)


def test_a_user_gets_what_the_scorer_finds_with_ids_and_titles() -> None:
    package = with_items(ids=np.array([f"id {n}" for n in range(50)], object), titles=[f"Title {n}" for n in range(50)])
    found = recommended(Person(CODE, HISTORY, HISTORY), package, Dense(package), 5)
    expected = Dense(package).top(CODE[None], 5, [HISTORY])
    assert [one.item for one in found] == [f"id {n}" for n in expected.items[0]]
    assert [one.title for one in found] == [f"Title {n}" for n in expected.items[0]]
    assert [one.score for one in found] == expected.scores[0].tolist()


def test_the_reasons_are_the_items_of_the_history_that_raise_the_score_most() -> None:
    found = recommended(Person(CODE, HISTORY, NONE), PACKAGE, Dense(PACKAGE), 50)
    columns = np.array([int(one.item) // 3 for one in found])  # ids are 0, 3, 6, …
    raised = weights(PACKAGE, HISTORY, columns)
    for one, of_history in zip(found, raised, strict=True):
        best = sorted(zip(of_history.tolist(), (3 * HISTORY).tolist(), strict=True), reverse=True)[:MOST_REASONS]
        assert [(reason.weight, reason.item) for reason in one.because] == [pair for pair in best if pair[0] > 0]


def test_without_a_code_what_is_popular_is_shown_and_needs_no_reason() -> None:
    found = recommended(Person(None, HISTORY, HISTORY), PACKAGE, Dense(PACKAGE), 3)
    popular = np.argsort(-PACKAGE.items.interactions, kind="stable")
    assert [one.item for one in found] == [3 * n for n in popular if n not in HISTORY][:3]
    assert not any(one.because for one in found)


def test_of_vectors_from_elsewhere_no_reason_is_known() -> None:
    package = replace(PACKAGE, encoder=None)
    assert not any(one.because for one in recommended(Person(CODE, HISTORY, NONE), package, Dense(package), 3))


def test_no_more_items_than_are_left() -> None:
    assert len(recommended(Person(CODE, NONE, np.arange(48)), PACKAGE, Dense(PACKAGE), 50)) == 2
    with pytest.raises(UserError, match="a list of 51 items where the package has 50"):
        recommended(Person(CODE, NONE, NONE), PACKAGE, Dense(PACKAGE), 51)
