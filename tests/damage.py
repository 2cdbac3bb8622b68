"""Artefacts that tests make by hand, and what can become of the bytes of any."""

from pathlib import Path
from typing import Literal, NamedTuple

from hypothesis import strategies as st

from stages.run.digests import write_digests


def sealed(path: Path) -> Path:
    """The file, with digests.json beside it as the stage that makes such files leaves it."""
    write_digests(path.parent, path.parent.name)
    return path


class Damage(NamedTuple):
    """One bit flipped, an end cut off, a block of zeros, or a byte more."""

    kind: Literal["flip", "cut", "zeros", "more"]
    place: int
    bit: int

    def of(self, content: bytes) -> bytes:
        """Other bytes than the content's, which are at least one."""
        place = self.place % len(content)
        changed = bytearray(content)
        if self.kind == "flip":
            changed[place] ^= 1 << self.bit
        elif self.kind == "more":
            changed += bytes([self.bit])
        elif self.kind == "zeros":
            changed[place : place + 512] = bytes(len(changed[place : place + 512]))
        return bytes(changed) if changed != content else content[:place]


DAMAGES = st.builds(Damage, st.sampled_from(["flip", "cut", "zeros", "more"]), st.integers(0, 2**20), st.integers(0, 7))
