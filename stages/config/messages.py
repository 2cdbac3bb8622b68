"""What is wrong in params.yaml, in one line each: the path of the entry, then the fault in words."""

import difflib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stages.config.strict import Strict

MAPPING_EXPECTED = {"dict_type", "model_type", "model_attributes_type"}


def describe(error: ValidationError, content: object, path: str) -> list[str]:
    """A line for each fault that pydantic found.

    Parameters
    ----------
    content : what was validated
    path : the keys of params.yaml that lead to it, dotted
    """
    return [_line(details, content, path) for details in error.errors()]


def _line(details: ErrorDetails, content: object, within: str) -> str:
    kind, message = details["type"], details["msg"].removeprefix("Value error, ")
    path = ".".join([within, *_steps(details["loc"], content, kind == "missing")])
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "extra_forbidden":
        return f"{path}: {unknown_key(str(details['loc'][-1]))}"
    if kind == "union_tag_not_found":
        return f"{path}.kind: is missing"
    if kind == "union_tag_invalid":
        return f"{path}.kind: '{details['ctx']['tag']}' is none of {details['ctx']['expected_tags']}"
    if kind == "value_error":
        return f"{path}: {message}"
    if details["input"] is None and kind in {"list_type", *MAPPING_EXPECTED}:
        return f"{path}: is empty; fill it in"
    if kind in MAPPING_EXPECTED:
        message = "must hold keys"
    return f"{path}: {message} (found {details['input']!r})"


def unknown_key(key: str) -> str:
    """The fault of a key that no entry of its kind has, with the known key that it may be meant for."""
    close = difflib.get_close_matches(key, _known_keys(), n=1)
    if key in close:
        return "does not belong here"
    return "unknown key" + (f"; did you mean '{close[0]}'?" if close else "")


def _steps(location: tuple[int | str, ...], content: Any, is_missing: bool) -> list[str]:
    """The keys on the way to an error, without those that pydantic adds for its own unions."""
    steps = []
    for depth, step in enumerate(location):
        try:
            content = content[step]
        except (TypeError, LookupError):
            if not is_missing or depth < len(location) - 1:
                continue
        steps.append(str(step))
    return steps


def _known_keys() -> set[str]:
    return {field.alias or name for settings in Strict.descendants() for name, field in settings.model_fields.items()}
