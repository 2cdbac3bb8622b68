"""Settings and code of a stage may not change while it runs, as DVC reads them when it has ended and vouches for them.

What counts is in dvc.yaml: the entries of params.yaml under `params`, and the code under `deps`, of the stage.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.run.errors import UserError
from stages.run.paths import PARAMS, PIPELINE
from stages.run.yaml import parse, read_text

CODE = Path("stages")


@dataclass
class Watch:
    """What a stage that runs depends on."""

    stage: str
    entries: list[str]
    """Of params.yaml, by their dotted paths."""
    code: list[Path]
    """Files and folders of its own code."""
    params: str
    """The text of params.yaml, when the stage started."""

    def changed(self) -> str | None:
        """What is not as it was when the stage started; None if all is."""
        if files := self._changed_code():
            return ", ".join(map(str, files))
        try:
            now = read_text(PARAMS)
            if now == self.params:
                return None
            after = parse(now, PARAMS)
        except UserError:
            return f"{PARAMS}, which can't be read by now,"
        before = parse(self.params, PARAMS)
        entries = [
            path for entry in self.entries for path in _differences(_at(before, entry), _at(after, entry), entry)
        ]
        return f"{PARAMS} ({', '.join(entries)})" if entries else None

    def _changed_code(self) -> list[Path]:
        now = digests() if AT_START else {}
        files = {file for file in {*now, *AT_START} if any(place in (file, *file.parents) for place in self.code)}
        return sorted(file for file in files if now.get(file) != AT_START.get(file))


AT_START: dict[Path, str] = {}
"""File of code → digest, before any of it was read; empty where no stage or command was started by `python -m`."""

_RUNNING: list[Watch] = []


def digests() -> dict[Path, str]:
    """File of the project's code → its digest; empty where it can't be read."""
    found = {}
    for file in CODE.rglob("*.py"):
        try:
            found[file] = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            found[file] = ""
    return found


def described(name: str) -> dict[str, Any] | None:
    """What dvc.yaml says of a stage; None of a command that is no stage."""
    if not PIPELINE.exists():
        return None
    stage = _at(parse(read_text(PIPELINE), PIPELINE), f"stages.{name}")
    return stage if isinstance(stage, dict) else None


@contextmanager
def watched(name: str, stage: Mapping[str, Any], item: Mapping[str, object]) -> Iterator[None]:
    """Run a block that is a stage.

    Parameters
    ----------
    stage : what dvc.yaml says of it
    item : what it is run for: its data set, its model

    Raises
    ------
    UserError
        at the end, where what it depends on has changed.
    """
    entries, deps = ([_filled(text, item) for text in stage.get(part, [])] for part in ("params", "deps"))
    code = [path for path in map(Path, deps) if CODE in path.parents]
    _RUNNING.append(Watch(name, entries, code, read_text(PARAMS)))
    try:
        yield
        check_unchanged()
    finally:
        _RUNNING.pop()


def check_unchanged() -> None:
    """Raise a UserError where what the running stage depends on has changed since it started."""
    for watch in _RUNNING:
        if changed := watch.changed():
            raise UserError(f"{changed} changed while {watch.stage} ran; run it again")


def _filled(text: str, item: Mapping[str, object]) -> str:
    return re.sub(r"\$\{item\.(\w+)\}", lambda name: str(item[name[1]]), text)


def _at(content: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for key in path.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _differences(before: Any, after: Any, path: str) -> list[str]:
    """Dotted paths of what differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return [name for key in keys for name in _differences(before.get(key), after.get(key), f"{path}.{key}")]
    return [] if before == after else [path]
