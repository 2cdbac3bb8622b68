"""The only reader of params.yaml."""

from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter, ValidationError

from stages.config.checks import cross_check
from stages.config.messages import describe, shown, unknown_key
from stages.config.params import Params
from stages.run.errors import UserError
from stages.run.paths import PARAMS
from stages.run.yaml import parse, read_text

PATH = PARAMS
MOST_SAID = 100
"""Wrong entries; where there are more, some kind of them is everywhere."""


def read_params(path: Path = PATH) -> Params:
    """Read and check the whole file.

    Raises
    ------
    UserError
        where the file can't be read or is no YAML, or with *all* wrong entries (a hundred at most), one a line, by
        their paths.
    """
    return _checked(read_text(path), path)


@lru_cache(maxsize=1)
def _checked(text: str, path: Path) -> Params:
    """A stage asks twice, and to parse the text takes a fifth of a second."""
    return check(parse(text, path), path)


def check(content: object, path: Path = PATH) -> Params:
    """Check the content of a file block by block, then what blocks say of each other.

    Parameters
    ----------
    content : as YAML gives it
    path : of the file, for messages

    Raises
    ------
    UserError
        with all wrong entries, one a line, by their paths.
    """
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no keys; restore it, for example with: git checkout {path}")
    problems = [f"{shown(key)}: {unknown_key(key)}" for key in content if key not in Params.model_fields]
    blocks: dict[str, Any] = {}
    wrong: set[str] = set()
    for block in Params.model_fields:
        blocks[block], faults = _check_block(block, content)
        problems += [line for _, line in faults]
        wrong |= {entry for entry, _ in faults}
    # Each block was validated by itself; the cross-checks see the valid entries only.
    params = Params.model_construct(**blocks)
    problems += cross_check(params, wrong)
    if problems:
        count = "a wrong entry" if len(problems) == 1 else f"{len(problems):,} wrong entries"
        lines = [f"  {line}" for line in problems[:MOST_SAID]]
        if len(problems) > MOST_SAID:
            lines.append(f"  and {len(problems) - MOST_SAID:,} more")
        raise UserError("\n".join([f"{path} has {count}; nothing was run:", *lines]))
    return params


def _check_block(block: str, content: dict[Any, Any]) -> tuple[Any, list[tuple[str, str]]]:
    """A block's valid entries, or its value; and for each fault the path of the wrong entry or block, and a line."""
    has_entries = get_origin(Params.model_fields[block].annotation) is dict
    valid: Any = {} if has_entries else []
    faults: list[tuple[str, str]] = []
    if block not in content:
        faults.append((block, f"{block}: is missing"))
    elif has_entries and isinstance(content[block], dict):
        for name, entry in content[block].items():
            try:
                valid |= _adapter(block).validate_python({name: entry})
            except ValidationError as error:
                faults += [(f"{block}.{shown(name)}", line) for line in describe(error, {name: entry}, block)]
    else:
        try:
            valid = _adapter(block).validate_python(content[block])
        except ValidationError as error:
            faults += [(block, line) for line in describe(error, content[block], block)]
    return valid, faults


@cache
def _adapter(block: str) -> TypeAdapter[Any]:
    field = Params.model_fields[block]
    annotated: Any = Annotated[field.annotation, field]  # with the field's own limits
    return TypeAdapter(annotated)
