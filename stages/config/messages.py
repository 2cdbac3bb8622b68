"""What is wrong in params.yaml, in one line each: the path of the entry, then the fault in words."""

import difflib
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stages.config.strict import Strict
from stages.run.errors import LONGEST_QUOTE, quoted

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
    found = details["input"]
    is_key = details["loc"][-1:] == ("[key]",)
    path = ".".join([within, *_steps(details["loc"], content, kind == "missing")])
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "extra_forbidden":
        return f"{path}: {unknown_key(details['loc'][-1])}"
    if found is None and kind in {"string_type", "list_type", *MAPPING_EXPECTED} and not is_key:
        return f"{path}: is empty; fill it in"
    if kind == "string_type" and (read_as := _no_text(found)):
        if is_key:
            path = ".".join([within, *_steps(details["loc"][:-2], content, False)])
            read_as = f"the name {read_as}"
        return f"{path}: YAML reads {read_as}; put it in quotes"
    if kind == "union_tag_not_found":
        return f"{path}.kind: is missing"
    if kind == "union_tag_invalid":
        return f"{path}.kind: {quoted(details['ctx']['tag'])} is none of {details['ctx']['expected_tags']}"
    if kind == "value_error":
        return f"{path}: {message}"
    if kind in MAPPING_EXPECTED:
        message = "must hold keys"
    return f"{path}: {message} (found {quoted(found)})"


def shown(key: object) -> str:
    """A key of params.yaml in a path."""
    text = str(key) if isinstance(key, (str, date)) else quoted(key)
    return text if len(text) <= LONGEST_QUOTE else quoted(text)


def unknown_key(key: object) -> str:
    """The fault of a key that no entry of its kind has, with the known key that it may be meant for."""
    close = difflib.get_close_matches(shown(key), _known_keys(), n=1)
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
        steps.append(shown(step) if isinstance(step, str) else str(step))
    return steps


def _no_text(value: object) -> str | None:
    """A date or the like, and what it is; None of what quotes would make no sense around."""
    match value:
        case None:
            return "null as nothing"
        case bool():
            return f"{str(value).lower()} as a truth value"
        case int() | float():
            return f"{quoted(value)} as a number"
        case date():
            return f"{value} as a date"
    return None


def _known_keys() -> set[str]:
    return {field.alias or name for settings in Strict.descendants() for name, field in settings.model_fields.items()}
