"""JSON files that one stage leaves to another: no NaN is written, and each is checked when it is read."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from stages.run.digests import checked, damaged
from stages.run.errors import UserError

Shape = TypeVar("Shape")


def write_json(content: Any, path: Path) -> None:
    """Write JSON; UserError where a number is not finite, for which JSON has no word."""
    try:
        text = json.dumps(content, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path.name} would hold a number that is not finite; the results before it are wrong"
        ) from error
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, stage: str, shape: type[Shape]) -> Shape:
    """What a JSON file holds.

    Parameters
    ----------
    stage : stage that writes this file, for error messages
    shape : type that it has to be of, such as a subclass of `stages.config.strict.Strict`

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, or holds something else.
    """
    with checked(path, stage) as file:
        try:
            return TypeAdapter(shape).validate_json(file.read(), strict=True)
        except ValidationError as error:
            raise damaged(path, "does not hold what it should", stage) from error
