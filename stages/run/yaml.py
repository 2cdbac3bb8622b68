"""YAML as DVC reads it, version 1.2, but within limits: a short file can stand for terabytes."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode

from stages.run.errors import UserError, quoted, reason

DEEPEST = 50
"""Levels of lists and mappings."""
MOST_VALUES = 100_000
"""Each counted as often as aliases stand for it."""

BITS = 64
"""Of a whole number and its sign."""


class _Constructor(SafeConstructor):
    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int) and value.bit_length() >= BITS:
                raise ValueError
        except ValueError:  # looks like a date or a number, and is none
            if not isinstance(node, ScalarNode):
                raise
            kind = "date" if str(node.tag).endswith("timestamp") else f"number of {BITS} bits"
            fault = f"{quoted(node.value)} is no {kind}; put it in quotes if it is meant as text"
            raise ConstructorError(None, None, fault, node.start_mark) from None
        return value

    def flatten_mapping(self, node: Node) -> Any:
        merged = super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise OverflowError
        return merged


def read_text(path: Path) -> str:
    """The text of a file of settings.

    Raises
    ------
    UserError
        where it can't be read, or is no UTF-8.
    """
    if not path.exists():
        raise UserError(f"there is no {path} in {Path.cwd()}; run stages from the top of the repository")
    if not path.is_file():
        raise UserError(f"{path} is no file; put the file there, for example with: git checkout {path}")
    try:
        with path.open(encoding="utf-8", newline="") as file:  # with the line ends that it has
            return file.read()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid YAML: byte {error.start + 1} is no UTF-8; save it as UTF-8") from error


def parse(text: str, path: Path) -> Any:
    """What a text of YAML says.

    Parameters
    ----------
    path : where the text is from, for messages

    Raises
    ------
    UserError
        where it is no YAML, or goes beyond the limits.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        content = yaml.load(io.StringIO(text))
        _check_size(content)
    except RecursionError as error:
        raise UserError(f"{path} is nested more than {DEEPEST} levels deep; write it flatter") from error
    except OverflowError as error:
        raise UserError(
            f"{path} stands for more than {MOST_VALUES:,} values, as an alias counts for all that it names; "
            "write it with fewer aliases"
        ) from error
    except TypeError as error:  # a list of mappings, which can be no key
        raise UserError(f"{path} is not valid YAML: a list or a mapping is a key; keys are words") from error
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {_fault(error)}") from error
    return content


def _check_size(content: object) -> None:
    """RecursionError or OverflowError beyond the limits."""
    level, n_values = [content], 0
    for _ in range(DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, (list, tuple, set)):
                below += value
            if n_values + len(below) > MOST_VALUES:
                raise OverflowError
        if not below:
            return
        level, n_values = below, n_values + len(below)
    raise RecursionError


def _fault(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(error.problem.split())}"
    return " ".join(str(error).replace(' in "<file>",', "").split())
