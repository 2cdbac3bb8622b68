"""Counts and digests of the split, against the published ones where there are any."""

from collections.abc import Mapping

import pandas as pd

from stages.reporting.csv_files import Tables, TextColumns
from stages.reporting.experiment import Experiment
from stages.reporting.results import Results
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, paragraphs

TABLES: TextColumns = {"figures/protocol": ("name", "value")}
DIGEST = "_sha256"  # ends the name of a digest; all else are counts


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Every count and digest."""
    lines = [(name, str(value)) for name, value in results.protocol.items()]
    return {"figures/protocol": pd.DataFrame(lines, columns=["name", "value"])}


def counts(tables: Tables) -> dict[str, int]:
    """Of the split."""
    return {name: value for name, value in _protocol(tables).items() if isinstance(value, int)}


def differences(tables: Tables, experiment: Experiment) -> list[str]:
    """A line for everything that is not as published; none where nothing is published."""
    return experiment.published.differences(_protocol(tables)) if experiment.published else []


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and whether the split is the published one."""
    if experiment.published is None:
        verdict = "There are no published values for this split to be compared with."
    elif differences(tables, experiment):
        verdict = "**This is not what the notebook of Liang et al. 2018 gives.**"
    else:
        verdict = "**This is the published split**: just what the notebook of Liang et al. 2018 gives."
    published = experiment.published.model_dump() if experiment.published else None
    return paragraphs(
        "## The split",
        verdict,
        protocol_table(_protocol(tables), published),
        "*Superseded ratings* are earlier ratings of an item by the same user. The digests are of the ids of the items "
        "in their order, and of the held-out pairs of user and item numbers.",
    )


def protocol_table(protocol: Mapping[str, int | str], published: Mapping[str, int | str] | None) -> str:
    """Markdown: a line per count or digest, with the published value where that is known."""
    lines = []
    for name, value in protocol.items():
        line = {"": _in_words(name), "here": _value(value)}
        if published is not None:
            known = published.get(name)
            line["published"] = UNKNOWN if known is None else _value(known)
            line["same"] = UNKNOWN if known is None else "yes" if known == value else "**NO**"
        lines.append(line)
    return markdown(pd.DataFrame(lines))


def _protocol(tables: Tables) -> dict[str, int | str]:
    table = tables["figures/protocol"]
    return {
        name: value if name.endswith(DIGEST) else int(value)
        for name, value in zip(table["name"], table["value"], strict=True)
    }


def _in_words(name: str) -> str:
    text = name.removesuffix(DIGEST).replace("_", " ").replace("held out", "held-out")
    return f"{text}, sha256" if name.endswith(DIGEST) else text


def _value(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else f"`{value[:16]}…`"
