"""Artefacts that tests make by hand, and what can become of the bytes of any."""

from pathlib import Path

from hypothesis import strategies as st

from stages.run.digests import write_digests


def sealed(path: Path) -> Path:
    """The file, with digests.json beside it as the stage that makes such files leaves it."""
    write_digests(path.parent, path.parent.name)
    return path


@st.composite
def damages(draw: st.DrawFn, content: bytes) -> bytes:
    """Other bytes: with one bit flipped, cut short, with a block of zeros, or with more at the end."""
    position = draw(st.integers(0, len(content) - 1))
    match draw(st.sampled_from(["flip", "cut", "zeros", "more"])):
        case "flip":
            changed = bytearray(content)
            changed[position] ^= 1 << draw(st.integers(0, 7))
            return bytes(changed)
        case "cut":
            return content[:position]
        case "zeros":
            zeroed = content[:position] + bytes(len(content[position : position + 512])) + content[position + 512 :]
            return zeroed if zeroed != content else content[:position]
        case _:
            return content + draw(st.binary(min_size=1, max_size=8))
