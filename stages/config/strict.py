"""What every entry of params.yaml is built from: the strict base, and the types that several blocks share."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from stages.run.errors import quoted

Share = Annotated[float, Field(ge=0, lt=1)]
"""From 0 to below 1."""

Variant = int | str | None
"""Which of an entry's rows: 20 (bytes of a code), "float16" or "k256"; None where the entry has one row only."""

Precision = Literal["float32", "bfloat16"]
"""Of the products with the items' output weights, in training; all else is float32."""

Encoder = Literal["nearest", "likelihood", "scores", "mixture"]
"""How a code is chosen: by distance to the embedding, or by what the model scores from it."""

Family = Literal["reference", "float", "trained", "product", "additive", "whole", "scalar", "history"]
"""How a row stores users; "trained" is quantized in training, the last five are quantized after it."""


class Strict(BaseModel):
    """Unknown keys and wrong types are errors; values never change once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        serialize_by_alias=True,  # a dump has the keys of params.yaml
    )

    @classmethod
    def descendants(cls) -> Iterator[type[Self]]:
        """All subclasses, each before its own ones, in the order in which they were defined."""
        for subclass in cls.__subclasses__():
            yield subclass
            yield from subclass.descendants()


def matching(pattern: str, words: str) -> AfterValidator:
    """A text that matches a regular expression whole; words : what it has to be."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {words} (found {quoted(text)})")
        return text

    return AfterValidator(check)


def _falling(sizes: list[int]) -> list[int]:
    if sizes != sorted(set(sizes), reverse=True):
        raise ValueError("must fall from one to the next, as the first is of the whole code")
    return sizes


Sizes = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1), AfterValidator(_falling)]
"""Falling numbers from 1 up, such as the bytes of a code and of its prefixes."""


def _list_is_written(names: object) -> object:
    if names is None:
        raise ValueError("is empty; write [] for none")
    return names


Name = Annotated[str, matching("[a-z0-9][a-z0-9-]*", "a name of a-z, 0-9 and -, which does not begin with -")]
"""Becomes part of file names, DVC stage names and DVC's dotted parameter paths."""

Names = Annotated[list[Name], BeforeValidator(_list_is_written)]
"""A list that may be empty."""
