"""JSON files that one stage leaves to another: no NaN is written, and each is checked when it is read."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from stages.run.digests import checked, damaged
from stages.run.errors import UserError


def write_json(content: Any, path: Path) -> None:
    """Write JSON; UserError where a number is not finite, for which JSON has no word."""
    try:
        text = json.dumps(content, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(
            f"{path.name} would hold a number that is not finite; the results before it are wrong"
        ) from error
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, stage: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """The object of a JSON file.

    Parameters
    ----------
    stage : stage that writes this file, for error messages
    keys : keys that it has to have

    Raises
    ------
    UserError
        where the file is missing or damaged, as in `stages.run.digests.checked`, or lacks a key.
    """
    with checked(path, stage) as file:
        try:
            content = json.load(file)
        except (ValueError, RecursionError) as error:
            raise damaged(path, "is no JSON", stage) from error
    if not isinstance(content, dict) or not content.keys() >= set(keys):
        raise damaged(path, f"lacks one of {', '.join(keys)}", stage)
    return content
