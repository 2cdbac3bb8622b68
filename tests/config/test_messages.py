"""An error of pydantic becomes one line: the path in params.yaml, and the fault in words."""

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


def test_a_key_in_the_wrong_place_is_told_from_an_unknown_one() -> None:
    assert unknown_key("hidden") == "does not belong here"
    assert unknown_key("hiden") == "unknown key; did you mean 'hidden'?"
    assert unknown_key("stored") == "does not belong here"  # by its name in the file
