"""A patch of params.yaml that gives a model its values on a data set, and leaves every other line as it is."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from stages.run.errors import UserError
from stages.run.yaml import parse

ANCHOR = re.compile(r"(?:&\S+\s+)?")
ALIAS = re.compile(r"\s*:\s*(\*[^\s,\]}]+)")
Edit = tuple[int, int, str]
"""Start and end in the text, and what comes there."""


def patch(text: str, path: Path, dataset: str, model: str, values: Mapping[str, float]) -> str:
    """A unified diff that `git apply` takes; empty where the entry has the values already.

    Parameters
    ----------
    text : of params.yaml, right by its schema, with the line ends that it has
    path : of params.yaml, for the diff

    Raises
    ------
    UserError
        where there is no such entry by now; or where others would change too, as they share its text by an alias.
    """
    new, content = text, parse(text, path)
    try:
        wanted = _wanted(content, dataset, model, values)
    except (LookupError, TypeError):
        raise UserError(f"{path} has no datasets.{dataset}.models.{model} by now, so there is no patch") from None
    current = content["datasets"][dataset]["models"][model]
    for start, end, replacement in sorted(_edits(text, dataset, model, current, values), reverse=True):
        new = f"{new[:start]}{replacement}{new[end:]}"
    if _parsed_or_none(new, path) != wanted:
        raise UserError(
            f"datasets.{dataset}.models.{model} in {path} shares its text with other entries, by an alias, so there is "
            "no patch: set the values by hand"
        )
    lines = difflib.unified_diff(_lines(text), _lines(new), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _edits(
    text: str, dataset: str, model: str, current: Mapping[str, float], values: Mapping[str, float]
) -> list[Edit]:
    """As little as possible: numbers are replaced where they stand, and missing keys are put before the first one."""
    models: Node | None = YAML(typ="safe", pure=True).compose(text)
    for name in ("datasets", dataset, "models"):
        _, models = _find(models, name)
    key, entry = _find(models, model)
    whole = f"{{ {_flow({**current, **values})} }}"
    if key is None or entry is None:  # merged from elsewhere
        return _insertion(text, models, {model: whole})
    if alias := _alias(text, key, entry):
        return [(*alias, whole)]
    edits, missing = [], {}
    for name, value in values.items():
        key, number = _find(entry, name)
        if key is None or number is None:
            missing[name] = repr(value)
        elif current[name] != value:
            start = ANCHOR.match(text, number.start_mark.index)
            assert start
            edits.append((*(_alias(text, key, number) or (start.end(), number.end_mark.index)), repr(value)))
    return edits + (_insertion(text, entry, missing) if missing else [])


def _find(mapping: Node | None, name: str) -> tuple[Node | None, Node | None]:
    """The nodes of a key and its value; None of what the mapping does not hold by itself."""
    if isinstance(mapping, MappingNode):
        for key, value in mapping.value:
            if key.value == name:
                return key, value
    return None, None


def _alias(text: str, key: Node, value: Node) -> tuple[int, int] | None:
    """Where an alias stands as the value of a key; what it names stands before it."""
    if value.start_mark.index > key.start_mark.index:
        return None
    found = ALIAS.match(text, key.end_mark.index)
    return found.span(1) if found else None


def _insertion(text: str, mapping: Node | None, written: Mapping[str, str]) -> list[Edit]:
    """An edit that puts keys into a mapping; none where it is not written out."""
    if not isinstance(mapping, MappingNode):
        return []
    pairs = [f"{name}: {value}" for name, value in written.items()]
    first = mapping.value[0][0].start_mark if mapping.value else None
    if mapping.flow_style:
        brace = text.index("{", mapping.start_mark.index) + 1
        after = " " if first is None else "," if text[brace].isspace() else ", "
        return [(brace, brace, f" {', '.join(pairs)}{after}")]
    if first is None:
        return []
    line_end = "\r\n" if "\r\n" in text else "\n"
    return [(first.index, first.index, "".join(f"{pair}{line_end}{' ' * first.column}" for pair in pairs))]


def _flow(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name}: {value!r}" for name, value in values.items())


def _wanted(content: Any, dataset: str, model: str, values: Mapping[str, float]) -> Any:
    """What params.yaml is to say; copied on the way, as aliases share what they name."""
    datasets = content["datasets"]
    models = datasets[dataset]["models"]
    here = {**datasets[dataset], "models": {**models, model: {**models[model], **values}}}
    return {**content, "datasets": {**datasets, dataset: here}}


def _parsed_or_none(text: str, path: Path) -> Any:
    try:
        return parse(text, path)
    except UserError:
        return None


def _lines(text: str) -> list[str]:
    """With their ends; only a line feed ends a line, as for git."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
