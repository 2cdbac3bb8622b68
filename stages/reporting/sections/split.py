"""Counts and digests of the split, against the published ones where there are any."""

from collections.abc import Mapping

import pandas as pd

from stages.config.dataset import SplitSettings
from stages.reporting.csv_files import Columns, TableColumns, Tables
from stages.reporting.experiment import Experiment
from stages.reporting.results import Results
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, paragraphs
from stages.run.text import literal

TABLES: TableColumns = {"figures/protocol": Columns(("name", "value"))}
DIGEST = "_sha256"  # ends the name of a digest; all else are counts


def data(results: Results) -> dict[str, pd.DataFrame]:
    """Every count and digest."""
    lines = [(name, str(value)) for name, value in results.protocol.items()]
    return {"figures/protocol": pd.DataFrame(lines, columns=TABLES["figures/protocol"].names)}


def counts(tables: Tables) -> dict[str, int]:
    """Of the split."""
    return {name: value for name, value in _protocol(tables).items() if isinstance(value, int)}


def differences(tables: Tables, experiment: Experiment) -> list[str]:
    """A line for everything that is not as published; none where nothing is published."""
    return experiment.published.differences(_protocol(tables)) if experiment.published else []


def words(tables: Tables, experiment: Experiment) -> str:
    """The table, and whether the split is as published."""
    if experiment.published is None:
        verdict = "There are no published values for this split to be compared with."
    elif differences(tables, experiment):
        verdict = f"**This is not the split of {literal(experiment.published.by)}.**"
    else:
        verdict = (
            f"**This is the split of {literal(experiment.published.by)}**: all that is published of it is the same."
        )
    published = experiment.published.values() if experiment.published else None
    protocol = _protocol(tables)
    return paragraphs(
        "## The split",
        verdict,
        f"{how_it_is_split(experiment.split)} {how_it_is_filtered(experiment.split, protocol)}",
        protocol_table(protocol, published),
        "*Superseded ratings* are earlier ratings of an item by the same user. *Interactions with unknown items* are "
        "those of validation and test users with items that training does not see; no model can predict them, and "
        "they are left out. *Scored* are users with held-out items. The digests are of the ids of the items in their "
        "order, and of the held-out pairs of user and item numbers.",
    )


def how_it_is_split(split: SplitSettings) -> str:
    """Who and what is held out."""
    by = "users" if split.kind == "users" else "users and time"
    at_cut = "" if split.cut is None else f", with a cut at {literal(split.cut)} for all"
    held_out = (
        f"This is a split by {by}{at_cut}: training sees nothing of {split.held_out_users:,} users who are held out "
        "for validation, and of as many for test (strong generalization)"
    )
    if split.held_out_share is None:
        return (
            f"{held_out}, nor of what anybody did from the cut on. Held out are users with interactions on both sides "
            "of it: those before it are the fold-in; those from it on, with items that are new to the user, are to be "
            "predicted."
        )
    share = f"Of the items of a held-out user {100 * split.held_out_share:g} % are to be predicted"
    if split.kind == "users":
        return f"{held_out}. {share}, drawn at random; the others are the fold-in."
    return (
        f"{held_out}. {share}, the last ones by time; those before them are the fold-in. There is no date at which "
        "training ends, so it may know of what others did after a fold-in."
    )


def how_it_is_filtered(split: SplitSettings, counts: Mapping[str, int | str]) -> str:
    """Which ratings are interactions, and whose are dropped; counts : of the split."""
    what = "All rows" if split.threshold is None else f"Ratings above {split.threshold:g}"
    before = "" if split.cut is None else " before the cut"
    users = f"users with fewer than {split.min_user_interactions} interactions{before}"
    if split.min_item_interactions == 1:
        return f"{what} count, without those of {users}."
    dropped = f"{what} count; items with fewer than {split.min_item_interactions}, then {users}, were dropped"
    if split.filter == "once":
        return f"{dropped}, once each."
    return f"{dropped}, and again until all that were left had enough (rounds: {counts.get('filter_rounds', UNKNOWN)})."


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
