"""Ids are integers of 64 bits or text, however they come, and never guessed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.run.errors import UserError
from stages.serving.ids import Kind, as_ids, check_distinct, kind_of, sorted_order


@pytest.mark.parametrize(
    "values",
    [
        [3, 1],
        (3, 1),
        np.array([3, 1], np.uint8),
        np.array([3, 1]),
        pa.array([3, 1], pa.int16()),
        pa.array([3, 1]).dictionary_encode(),
    ],
)
def test_integers_of_all_forms_become_int64(values: Any) -> None:
    ids = as_ids(values, "users")
    assert (ids.type, ids.to_pylist(), kind_of(ids)) == (pa.int64(), [3, 1], "integers")


@pytest.mark.parametrize(
    "values",
    [
        ["ä", "b"],
        np.array(["ä", "b"]),
        np.array(["ä", "b"], object),
        pa.array(["ä", "b"], pa.string_view()),
        pa.array(["ä", "b"]).dictionary_encode(),
    ],
)
def test_text_of_all_forms_becomes_large_string(values: Any) -> None:
    ids = as_ids(values, "users")
    assert (ids.type, ids.to_pylist(), kind_of(ids)) == (pa.large_string(), ["ä", "b"], "text")


@pytest.mark.parametrize("kind", ["integers", "text"])
def test_nobody_is_of_either_kind(kind: Kind) -> None:
    assert kind_of(as_ids([], "users", kind)) == kind
    for type_ in (pa.null(), pa.float64(), pa.int8(), pa.string()):
        assert kind_of(as_ids(pa.array([], type_), "users", kind)) == kind
    assert kind_of(as_ids(pa.array([], pa.string()), "users")) == "text"


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([1.0], None, "users: 1.0 is double; give integers or text"),
        ([True], None, "users: True is bool; give integers or text"),
        ([b"a"], None, "users: b'a' is binary; give integers or text"),
        (["1"], "integers", "users: '1' is text; give integers"),
        ([1], "text", "users: 1 is an integer; give text"),
        ([1, None], None, "users: an id is missing"),
        ([1, "a"], None, "users: .*ids are integers of 64 bits, or text"),
        ([2**64], None, "users: .*ids are integers of 64 bits, or text"),
        (np.array([2**63], np.uint64), None, "users: .*ids are integers of 64 bits, or text"),
        (["\ud800"], None, "users: .*ids are integers of 64 bits, or text"),
    ],
)
def test_what_is_no_id_is_said(values: Any, kind: Kind | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        as_ids(values, "users", kind)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True) | st.lists(st.text(), unique=True))
def test_ids_are_sorted_by_number_or_by_their_bytes(values: list[Any]) -> None:
    ordered = sorted(values, key=lambda value: value.encode() if isinstance(value, str) else value)
    assert [values[place] for place in sorted_order(as_ids(values, "users"), "users")] == ordered


@pytest.mark.parametrize("check", [check_distinct, sorted_order])
@pytest.mark.parametrize("values", [[5, 7, 5], ["b", "a", "b"]])
def test_an_id_that_stands_twice_is_said(values: Any, check: Callable[[pa.Array, str], Any]) -> None:
    with pytest.raises(UserError, match=r"users: ('b'|5) stands there more than once; give each once"):
        check(as_ids(values, "users"), "users")


@pytest.mark.parametrize("values", [[5, 7, 6], ["b", "a", "c"], []])
def test_ids_that_stand_once_are_left_in_their_order(values: Any) -> None:
    ids = as_ids(values, "users")
    check_distinct(ids, "users")
    assert ids.to_pylist() == values
