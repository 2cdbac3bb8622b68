"""Damages to a file, whatever it holds."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Damage = Callable[[Path, Random], object]


class Canary:
    """Whoever unpickles it runs its code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("open('canary', 'w').close()",)


def flip(path: Path, random: Random) -> str:
    content = bytearray(path.read_bytes())
    bit = random.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return f"bit {bit}"


def cut(path: Path, random: Random) -> str:
    content = path.read_bytes()
    length = random.choice([1, 20, len(content) // 2, random.randrange(len(content)), len(content) - 1])
    path.write_bytes(content[:length])
    return f"after {length} of {len(content)} bytes"


def grow(path: Path, random: Random) -> None:
    path.write_bytes(path.read_bytes() + random.randbytes(30))


def zeros(path: Path, random: Random) -> str:
    """A block that never reached the disk."""
    content = bytearray(path.read_bytes())
    start = random.randrange(len(content))
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    path.write_bytes(content)
    return f"from {start}"


def link_to_nothing(path: Path, _: Random) -> None:
    path.unlink()
    path.symlink_to("nothing")


def folder(path: Path, _: Random) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path, _: Random) -> None:
    path.unlink()
    os.mkfifo(path)


ANY: dict[str, Damage] = {
    "flip": flip,
    "another flip": flip,
    "cut": cut,
    "another cut": cut,
    "grown": grow,
    "zeros": zeros,
    "emptied": lambda path, _: path.write_bytes(b""),
    "noise": lambda path, random: path.write_bytes(random.randbytes(1000)),
    "a pickle": lambda path, _: path.write_bytes(pickle.dumps(Canary())),
    "removed": lambda path, _: path.unlink(),
    "a link to nothing": link_to_nothing,
    "a folder": folder,
    "a pipe": pipe,
}
"""Of any file."""


def with_digest(path: Path) -> None:
    """Enter the file's digest where its folder keeps it, as if its stage, perhaps an older one, had written it so."""
    for place in path.parents:
        digests = place / "digests.json"
        if digests.is_file():
            content = json.loads(digests.read_text())
            key = f"{place.name}/{path.relative_to(place)}"
            if key in content:
                content[key] = hashlib.sha256(path.read_bytes()).hexdigest()
                digests.write_text(json.dumps(content, indent=2) + "\n")
                return
