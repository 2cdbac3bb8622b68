"""Users and items with enough interactions, against dropping them row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.interactions.protocol.filters import Minimums
from tests.interactions import literal

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True, max_size=60)


def numbers(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    user, item = np.array(rows, dtype=np.int32).reshape(-1, 2).T
    return user, item


@given(rows=PAIRS, of_user=st.integers(1, 6), of_item=st.integers(1, 6), core=st.booleans())
@settings(max_examples=500, deadline=None)
def test_filters_are_the_literal_ones(rows: list[tuple[int, int]], of_user: int, of_item: int, core: bool) -> None:
    kept, rounds = Minimums(of_user, of_item, core).enough(*numbers(rows))
    assert ([row for row, here in zip(rows, kept, strict=True) if here], rounds) == literal.enough(
        rows, of_user, of_item, core
    )


@given(
    past=PAIRS, future=PAIRS, of_user=st.integers(1, 4), of_item=st.integers(1, 4), core=st.booleans(), data=st.data()
)
@settings(max_examples=300, deadline=None)
def test_what_does_not_count_is_kept_where_its_user_is(
    past: list[tuple[int, int]],
    future: list[tuple[int, int]],
    of_user: int,
    of_item: int,
    core: bool,
    data: st.DataObject,
) -> None:
    rows = data.draw(st.permutations([(pair, True) for pair in past] + [(pair, False) for pair in future]))
    counted = np.array([is_past for _, is_past in rows], dtype=bool)
    kept, rounds = Minimums(of_user, of_item, core).enough(*numbers([pair for pair, _ in rows]), counted)
    in_order = [pair for pair, is_past in rows if is_past]
    left, literal_rounds = literal.enough(in_order, of_user, of_item, core)
    users = {user for user, _ in left}
    assert [row for row, here in zip(rows, kept, strict=True) if here] == [
        (pair, is_past) for pair, is_past in rows if (pair in left if is_past else pair[0] in users)
    ]
    assert rounds == literal_rounds


@pytest.mark.parametrize(("core", "left", "rounds"), [(False, 8, 1), (True, 0, 3)])
def test_a_chain_of_users_and_items_falls_from_both_ends(core: bool, left: int, rounds: int) -> None:
    """User n has items n and n + 1: the first and the last item have one user, who goes with them, and so on."""
    user = np.arange(6, dtype=np.int32).repeat(2)
    item = (user + np.tile([0, 1], 6)).astype(np.int32)
    kept, found = Minimums(2, 2, core).enough(user, item)
    assert (int(kept.sum()), found) == (left, rounds)
