"""An error of pydantic becomes one line: the path in params.yaml, and the fault in words."""

from datetime import date, datetime
from typing import Annotated, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from stages.config.messages import describe, unknown_key
from stages.config.strict import Strict


class Circle(Strict):
    kind: Literal["circle"]
    radius: float


class Square(Strict):
    kind: Literal["square"]
    edges: list[int]


SHAPES = TypeAdapter(dict[str, Annotated[Circle | Square, Field(discriminator="kind")]])


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ({"kind": "circle"}, "shapes.a.radius: is missing"),
        ({"kind": "circle", "radius": "1"}, "shapes.a.radius: Input should be a valid number (found '1')"),
        ({"kind": "circle", "radius": 1, "edges": []}, "shapes.a.edges: does not belong here"),
        ({"kind": "circle", "radius": 1, "edgse": []}, "shapes.a.edgse: unknown key; did you mean 'edges'?"),
        ({"kind": "circle", "radius": 1, "quux": []}, "shapes.a.quux: unknown key"),
        ({"kind": "square", "edges": [1, "2"]}, "shapes.a.edges.1: Input should be a valid integer (found '2')"),
        ({"kind": "square", "edges": None}, "shapes.a.edges: is empty; fill it in"),
        ({"kind": "star"}, "shapes.a.kind: 'star' is none of 'circle', 'square'"),
        ({"radius": 1}, "shapes.a.kind: is missing"),
        (None, "shapes.a: is empty; fill it in"),
        (7, "shapes.a: must hold keys (found 7)"),
    ],
)
def test_a_fault_is_said_by_its_path(shape: object, line: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SHAPES.validate_python({"a": shape})
    assert describe(raised.value, {"a": shape}, "shapes") == [line]


@pytest.mark.parametrize(
    "shape",
    [
        {"kind": "circle", "radius": ["x"] * 10**6},
        {"kind": "circle", "radius": {"x" * 10**6: 1}},
        {"kind": "square", "edges": [16**5000, "x" * 10**6]},
        {"kind": "x" * 10**6},
        {"kind": "circle", "radius": 1, "x" * 10**6: 1},
    ],
    ids=["list", "mapping", "text", "kind", "key"],
)
def test_what_was_found_is_cut(shape: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        SHAPES.validate_python({"a": shape})
    assert max(map(len, describe(raised.value, {"a": shape}, "shapes"))) < 250


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(2026, 2, 28), "2026-02-28 as a date"),
        (datetime(2026, 2, 28, 12), "2026-02-28 12:00:00 as a date"),
        (2024, "2024 as a number"),
        (1e5, "100000.0 as a number"),
        (True, "true as a truth value"),
    ],
)
def test_text_that_yaml_takes_for_something_else_is_to_be_put_in_quotes(value: object, said: str) -> None:
    names = TypeAdapter(dict[str, Annotated[str, Field(strict=True)]])
    for content, line in [
        ({"title": value}, f"block.title: YAML reads {said}; put it in quotes"),
        ({value: "x"}, f"block: YAML reads the name {said}; put it in quotes"),
    ]:
        with pytest.raises(ValidationError) as raised:
            names.validate_python(content, strict=True)
        assert describe(raised.value, content, "block") == [line]


def test_a_key_in_the_wrong_place_is_told_from_an_unknown_one() -> None:
    assert unknown_key("hidden") == "does not belong here"
    assert unknown_key("hiden") == "unknown key; did you mean 'hidden'?"
    assert unknown_key("stored") == "does not belong here"  # by its name in the file
