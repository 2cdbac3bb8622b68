"""The split against the protocol's steps, taken one interaction at a time."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from stages.interactions.protocol import hold_out
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import Interactions, read_interactions
from stages.interactions.protocol.parts import InMemory, Rows
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interfaces.split import Split
from stages.run.errors import UserError
from tests.interactions import literal
from tests.interactions.made_up import LogInMemory, awkward_ratings, batch, interactions_of

THRESHOLD, AT_LEAST, HELD_OUT_USERS, SHARE, SEED = 3.5, 5, 7, 0.2, 98765


def pairs(matrix: csr_array) -> literal.Pairs:
    coordinates = matrix.tocoo()
    return set(zip(coordinates.row.tolist(), coordinates.col.tolist(), strict=True))


def as_literal(split: Split) -> tuple[list[int], list[int], literal.Pairs, list[tuple[literal.Pairs, literal.Pairs]]]:
    parts = [(pairs(part.fold_in), pairs(part.held_out)) for part in (split.validation, split.test)]
    return split.users.tolist(), split.items.tolist(), pairs(split.train), parts


def make_split(rows: list[literal.Rating], held_out_users: int = HELD_OUT_USERS) -> Split:
    return split_strong_generalization(interactions_of(rows, THRESHOLD, AT_LEAST), held_out_users, SHARE, SEED)


@pytest.mark.parametrize("seed", range(12))
def test_split_is_the_protocol_to_the_letter(seed: int) -> None:
    rows = awkward_ratings(seed)
    assert as_literal(make_split(rows)) == literal.split(
        [(user, item, rating) for user, item, rating, _ in rows], THRESHOLD, AT_LEAST, HELD_OUT_USERS, SHARE, SEED
    )


def random_log(seed: int, n_rows: int, n_users: int, n_items: int) -> list[literal.Rating]:
    """With many ties, and pairs rated more than once, on one side of a cut or on both."""
    generator = np.random.default_rng(seed)
    columns = [generator.integers(n, size=n_rows).tolist() for n in (n_users, n_items, 6, 6)]
    return [(user, item, 3.0 if luck == 0 else 4.0, time) for user, item, luck, time in zip(*columns, strict=True)]


LOGS = st.builds(
    random_log,
    seed=st.integers(0, 10**6),
    n_rows=st.integers(40, 300),
    n_users=st.integers(4, 14),
    n_items=st.integers(6, 24),
)


@given(
    rows=LOGS,
    minimums=st.builds(Minimums, of_user=st.integers(1, 5), of_item=st.integers(1, 5), core=st.booleans()),
    held_out_users=st.integers(1, 2),
    share=st.sampled_from([0.2, 0.3, 0.5, 0.9]),
    cut=st.none() | st.integers(1, 5),
    are_dates=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_split_by_time_is_what_it_says_or_says_why_there_is_none(
    rows: list[literal.Rating],
    minimums: Minimums,
    held_out_users: int,
    share: float,
    cut: int | None,
    are_dates: bool,
) -> None:
    rated: pa.RecordBatch = batch(rows)
    asked: int | str | None = cut
    if are_dates:
        rated = rated.set_column(
            3, "timestamp", pa.array([datetime(2026, 10, 1 + day) for *_, day in rows], pa.timestamp("ns"))
        )
        asked = cut and f"2026-10-{1 + cut:02}"

    def split() -> Split:
        log = LogInMemory(rated)
        interactions, _ = read_interactions(log.paths, log, THRESHOLD, minimums, by_time=True, cut=asked)
        return split_strong_generalization(interactions, held_out_users, None if cut else share, SEED)

    try:
        expected = literal.split_by_time(
            rows, THRESHOLD, minimums.of_user, held_out_users, share, SEED, cut, minimums.of_item, minimums.core
        )
    except ValueError:
        expected = None
    if expected and all(held_out for _, held_out in expected[-1]):
        assert as_literal(split()) == expected
    else:
        with pytest.raises(UserError):
            split()


def test_by_time_the_last_items_are_held_out_and_of_a_tie_the_later_in_the_file() -> None:
    rows = [(user, item, 5.0, max(item, 3)) for user in range(3) for item in (4, 3, 0, 1, 2)]
    split = split_strong_generalization(interactions_of(rows, by_time=True), 1, 0.5, SEED)
    for part in (split.validation, split.test):
        assert sorted(split.items[part.held_out.indices].tolist()) == [2, 4]  # 3, 0, 1 and 2 are of the same time


def test_with_a_cut_nothing_after_it_changes_what_is_trained_on_or_shown() -> None:
    past = [(user, item, 5.0, item) for user in range(20) for item in range(user % 5, 12)]
    anything_later = [(user, 99, 5.0, 20) for user in range(20)]  # only who comes back can be held out
    liked_later = [(user, item, 5.0, 20) for user in range(25) for item in range(5)]
    disliked_later = [(user, item, 1.0, 20) for user, item, *_ in past[::2]]
    splits = [
        split_strong_generalization(interactions_of(past + future, by_time=True, cut=15), 5, None, SEED)
        for future in (anything_later + liked_later, anything_later + liked_later[::2] + disliked_later)
    ]
    first, second = (
        (*as_literal(split)[:3], pairs(split.validation.fold_in), pairs(split.test.fold_in)) for split in splits
    )
    assert first == second


def test_users_of_movielens_20m_get_their_published_numbers() -> None:
    """The three numbers of the published split, for 136,677 users of five interactions."""
    n_users, n_held_out = 136_677, 10_000
    users, items = np.arange(n_users), np.arange(5)
    user, item = users.repeat(5).astype(np.int32), np.tile(items, n_users).astype(np.int32)
    interactions = Interactions(users, items, InMemory(Rows(user, item)))
    users = split_strong_generalization(interactions, n_held_out, SHARE, SEED).users
    validation, test = users[-2 * n_held_out : -n_held_out], users[-n_held_out:]
    assert users.argmin() == 116_149
    assert n_users - 2 * n_held_out + validation.argmin() == 123_737
    assert n_users - n_held_out + test.argmin() == 134_677


def test_matrices_hold_ones_of_float32() -> None:
    split = make_split(awkward_ratings(0))
    for matrix in (split.train, split.test.fold_in, split.test.held_out):
        assert matrix.dtype == np.float32
        assert set(matrix.data) == {1.0}


def test_fewer_users_than_are_to_be_held_out_is_said_with_numbers() -> None:
    with pytest.raises(UserError, match="too few to hold out 50 for validation and 50 for test"):
        make_split(awkward_ratings(0), held_out_users=50)
    rows = [(user, item, 5.0, 0) for user in range(10) for item in range(6)]
    with pytest.raises(UserError, match="10 users are left after filtering, too few to hold out 5 for"):
        make_split(rows, held_out_users=5)


def test_users_without_anything_to_hold_out_are_said() -> None:
    interactions = interactions_of([(user, item, 5.0, 0) for user in range(20) for item in range(3)], at_least=1)
    with pytest.raises(UserError, match="no validation user has 5 interactions with items of the train users"):
        split_strong_generalization(interactions, 5, SHARE, SEED)


@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize(("share", "n_items", "enough"), [(0.1, 6, 0.17), (0.1, 9, 0.12), (0.001, 240, 0.01)])
def test_a_share_of_less_than_one_item_is_said_with_one_that_is_enough(
    share: float, n_items: int, enough: float, by_time: bool
) -> None:
    rows = [(user, item, 5.0, 0) for user in range(20) for item in range(n_items)]
    interactions = interactions_of(rows, by_time=by_time)
    complaint = (
        f"no validation user has enough interactions for a held_out_share of {share} to be one whole item: the most, "
        f"with items of the train users, are {n_items}; raise held_out_share in params.yaml to {enough}$"
    )
    with pytest.raises(UserError, match=complaint):
        split_strong_generalization(interactions, 5, share, SEED)
    split_strong_generalization(interactions, 5, enough, SEED)


@pytest.mark.parametrize(
    ("later", "complaint"),
    [
        (
            5,
            "20 users are left after filtering, 0 with interactions before split.cut and others after, too few to hold",
        ),
        (6, "no validation user has interactions before split.cut and others after, 5 in all, with items that the tra"),
    ],
)
def test_a_cut_after_which_nobody_has_anything_new_or_nothing_known_is_said(later: int, complaint: str) -> None:
    past = [(user, item, 5.0, 1) for user in range(20) for item in range(6)]
    interactions = interactions_of([*past, *((user, later, 5.0, 2) for user in range(20))], by_time=True, cut=2)
    with pytest.raises(UserError, match=complaint):
        split_strong_generalization(interactions, 5, None, SEED)


def test_nothing_is_predicted_from_nothing() -> None:
    """User 0 has no interaction before the cut, user 1 has one."""
    users, items = np.array([0] * 6 + [1] * 5), np.arange(11)
    is_past = items == 6
    assert hold_out.from_cut_on(users, items, is_past).tolist() == [False] * 7 + [True] * 4
