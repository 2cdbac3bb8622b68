"""How the report writes numbers, lists, pictures and paragraphs."""

from collections.abc import Callable, Iterable
from html import escape

import pandas as pd

from stages.run import text

UNKNOWN = "–"
UNCORRECTED = "none corrected for their number; where nothing differs, at least one in twenty excludes 0"
"""What has to be said of many 95 % confidence intervals of differences."""


def score(value: float) -> str:
    """A metric."""
    return f"{value:.4f}"


def share(value: float) -> str:
    """Percent."""
    return f"{value * 100:.1f} %"


def share_interval(value: float, low: float, high: float) -> str:
    """Percent, with its 95 % confidence interval."""
    return f"{share(value)} ({UNKNOWN if pd.isna(low) else f'{low * 100:.1f}–{high * 100:.1f}'})"


def difference(value: float, low: float, high: float) -> str:
    """Of a metric, with its 95 % confidence interval."""
    return f"{value:+.4f} ({UNKNOWN if pd.isna(low) else f'{low:+.4f} to {high:+.4f}'})"


def verdict(low: float, high: float) -> str:
    """What the 95 % confidence interval of a difference says."""
    if pd.isna(low):
        return UNKNOWN
    return "above" if low > 0 else "below" if high < 0 else "not significant"


def gigabytes(n_bytes: float) -> str:
    """In GB = 10⁹ bytes."""
    return f"{n_bytes / 1e9:,.3g} GB"


def number_of_bytes(value: float) -> str:
    """Without decimals where there are none."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def size(n_bytes: float) -> str:
    """Bytes with their unit."""
    if n_bytes < 1000:
        return f"{n_bytes:,.0f} B"
    return f"{n_bytes / 1e3:,.1f} kB" if n_bytes < 10_000 else f"{n_bytes / 1e3:,.0f} kB"


def each(values: Iterable[float], write: Callable[[float], str]) -> list[str]:
    """The cells of a column; a dash where the value is not known."""
    return [UNKNOWN if pd.isna(value) else write(value) for value in values]


def code(names: Iterable[str]) -> list[str]:
    """Names in code font."""
    return [text.code(name) for name in names]


def listing(values: Iterable[object]) -> str:
    """Distinct values in order, joined."""
    return ", ".join(dict.fromkeys(str(value) for value in values))


def picture(name: str, alt: str, folder: str = "figures") -> str:
    """A picture as Markdown shows it: the variant that fits the reader's light or dark ground.

    Parameters
    ----------
    name : of its files, without ending
    alt : what it shows, for those who do not see it
    folder : of its files, relative to the page
    """
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{folder}/{name}-dark.png">'
    return f'<picture>{dark}<img alt="{escape(alt)}" src="{folder}/{name}.png"></picture>'


def paragraphs(*blocks: str) -> str:
    """Blocks of Markdown, with an empty line between them; empty blocks are left out."""
    return "\n\n".join(block for block in blocks if block)


def folded(section: str) -> str:
    """A section below its heading, hidden until a reader opens it; empty for an empty one.

    The empty lines let GitHub read what is hidden as Markdown.
    """
    heading, _, hidden = section.partition("\n\n")
    summary = f"<details><summary><b>{heading.removeprefix('## ')}</b></summary>"
    return paragraphs(summary, hidden, "</details>") if section else ""
