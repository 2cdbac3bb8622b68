"""Users and items with enough interactions, against dropping them row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.parts import InMemory, Rows
from tests.interactions import literal

PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True, max_size=60)


def enough(
    minimums: Minimums, pairs: list[tuple[int, int]], is_past: list[bool] | None = None
) -> tuple[list[int], int]:
    """Positions of the rows that are kept, and the rounds."""
    user, item = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    past = None if is_past is None else np.array(is_past, dtype=bool)
    rows = Rows(user, item, np.arange(len(pairs)), is_past=past)
    kept, rounds = minimums.enough(InMemory(rows), 10)
    (left,) = kept.each(lambda rows: rows.columns()["row"].tolist())
    return left, rounds


@given(rows=PAIRS, of_user=st.integers(1, 6), of_item=st.integers(1, 6), core=st.booleans())
@settings(max_examples=500, deadline=None)
def test_filters_are_the_literal_ones(rows: list[tuple[int, int]], of_user: int, of_item: int, core: bool) -> None:
    kept, rounds = enough(Minimums(of_user, of_item, core), rows)
    assert ([rows[place] for place in kept], rounds) == literal.enough(rows, of_user, of_item, core)


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
    pairs, is_past = [pair for pair, _ in rows], [is_past for _, is_past in rows]
    kept, rounds = enough(Minimums(of_user, of_item, core), pairs, is_past)
    in_order = [pair for pair, is_past in rows if is_past]
    left, literal_rounds = literal.enough(in_order, of_user, of_item, core)
    users = {user for user, _ in left}
    assert [rows[place] for place in kept] == [
        (pair, is_past) for pair, is_past in rows if (pair in left if is_past else pair[0] in users)
    ]
    assert rounds == literal_rounds


@pytest.mark.parametrize(("core", "left", "rounds"), [(False, 8, 1), (True, 0, 3)])
def test_a_chain_of_users_and_items_falls_from_both_ends(core: bool, left: int, rounds: int) -> None:
    """User n has items n and n + 1: the first and the last item have one user, who goes with them, and so on."""
    kept, found = enough(Minimums(2, 2, core), [(user, user + side) for user in range(6) for side in (0, 1)])
    assert (len(kept), found) == (left, rounds)
