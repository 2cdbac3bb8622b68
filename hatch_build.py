"""Builds the wheel: the checkout's `stages` is installed as `pq_vae`, a name that belongs to this project alone."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "pq_vae"
IMPORT = re.compile(r"^(\s*(?:>>> )?(?:from|import) )stages\b", flags=re.MULTILINE)
COMMAND = re.compile(r"(?<=python -m )stages\b")


class Renamed(BuildHookInterface[Any]):
    """Puts a copy of stages/ into the wheel whose imports, and commands in its texts, name pq_vae."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copy; version : standard, or editable, which would need the other name in the checkout."""
        if version == "editable":
            raise ValueError("a checkout can't be installed in place; run it from its top, or install it without -e")
        self.folder = tempfile.mkdtemp()
        copy = Path(self.folder, NAME)
        shutil.copytree(Path(self.root, "stages"), copy, ignore=shutil.ignore_patterns("__pycache__"))
        for file in copy.rglob("*.py"):
            text = IMPORT.sub(rf"\g<1>{NAME}", file.read_text(encoding="utf-8"))
            file.write_text(COMMAND.sub(NAME, text), encoding="utf-8")
        build_data["force_include"][str(copy)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the copy."""
        shutil.rmtree(self.folder)
