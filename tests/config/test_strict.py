"""What all entries share."""

import pytest
from pydantic import TypeAdapter, ValidationError

from stages.config.strict import Share, Sizes, Strict


class Grandparent(Strict):
    size: int


class Parent(Grandparent):
    share: Share = 0.0


class Child(Parent):
    pass


class Aunt(Grandparent):
    pass


def test_nothing_is_converted_and_nothing_changes() -> None:
    entry = Parent(size=1, share=0.5)
    with pytest.raises(ValidationError, match="valid integer"):
        Parent.model_validate({"size": "1"})
    with pytest.raises(ValidationError, match="finite number"):
        Parent.model_validate({"size": 1, "share": float("nan")})
    with pytest.raises(ValidationError, match="frozen"):
        entry.size = 2  # type: ignore[misc]


@pytest.mark.parametrize("sizes", [[], [5, 10], [5, 5], [5, 0], ["5"]])
def test_sizes_fall_and_are_at_least_one(sizes: list[object]) -> None:
    adapter: TypeAdapter[list[int]] = TypeAdapter(Sizes)
    with pytest.raises(ValidationError):
        adapter.validate_python(sizes, strict=True)


def test_descendants_come_in_order_of_definition_each_before_its_own() -> None:
    assert list(Grandparent.descendants()) == [Parent, Child, Aunt]
