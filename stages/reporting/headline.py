"""The few numbers by which a person decides, and compares experiments."""

from typing import Any

import pandas as pd

from stages.reporting.frontier import POPULARITY
from stages.reporting.results import NDCG
from stages.reporting.wording import verdict

LIMITS = (40, 20, 10, 5)  # bytes per user: the paper's two sizes, and half of them twice
N_REFERENCES = 2
OUTCOMES = {"wins": "above", "ties": "not significant", "losses": "below"}
"""Of a comparison → what `verdict` says of its interval."""


def headline(table: pd.DataFrame, gains: pd.DataFrame, digits: int) -> dict[str, Any]:
    """At most twelve numbers under readable keys; those of rows that are not there are left out.

    Parameters
    ----------
    table : of `stages.reporting.frontier.frontier_table`
    gains : columns low and high, a line for each row that was quantized during training and has a post-hoc twin
    digits : decimals
    """
    ndcg = table.set_index("row")[NDCG]
    named = {name: name for name in references(table)}
    if (model := best_float(table)) is not None:
        named["float"] = model
    named |= {f"at_most_{limit}_bytes": name for limit, name in best_within(table).items()}
    numbers = {
        NDCG: {key: round(float(ndcg[name]), digits) for key, name in named.items()},
        "resolvable_difference": {key: round(value, digits) for key, value in resolvable(table).items()},
        "during_against_after_training": outcomes(gains) if gains["low"].notna().any() else {},
    }
    return {key: values for key, values in numbers.items() if values}


def references(table: pd.DataFrame) -> list[str]:
    """Names of the references that rows are compared with, popularity first; two at most."""
    names = table.loc[table["family"] == "reference", "row"].tolist()
    return sorted(names, key=lambda name: name != POPULARITY)[:N_REFERENCES]


def best_float(table: pd.DataFrame) -> str | None:
    """Name of the float row that is best on the validation users; None where there is none."""
    return _best(table[table["family"] == "float"])


def best_within(table: pd.DataFrame) -> dict[int, str]:
    """Limit of bytes per user → the row within it that is best on the validation users, where there is one."""
    stored = table[(table["bytes_per_user"] > 0) & (table["family"] != "reference")]
    best = {limit: _best(stored[stored["bytes_per_user"] <= limit]) for limit in LIMITS}
    return {limit: name for limit, name in best.items() if name is not None}


def resolvable(table: pd.DataFrame) -> dict[str, float]:
    """Median half-width of the 95 % intervals of the difference to the float model, of codes of few bytes.

    Codes that another training has learnt differ from it by more chance than those that are fitted on its embeddings,
    so there is a number for either; none where there are no such codes, or all intervals are of one value.
    """
    few = table[table["bytes_per_user"] <= LIMITS[0]]
    half_width = (few["difference_high"] - few["difference_low"]) / 2
    in_training = few["family"] == "trained"
    medians = {"after_training": half_width[~in_training].median(), "during_training": half_width[in_training].median()}
    return {key: float(value) for key, value in medians.items() if value > 0}


def outcomes(gains: pd.DataFrame) -> dict[str, int]:
    """How many of the rows quantized during training win, tie and lose against post-hoc twins, as far as is known."""
    verdicts = [verdict(low, high) for low, high in zip(gains["low"], gains["high"], strict=True)]
    return {outcome: verdicts.count(said) for outcome, said in OUTCOMES.items()}


def _best(rows: pd.DataFrame) -> str | None:
    """On the validation users; of equals that of the fewest bytes."""
    known = rows.dropna(subset="validation_ndcg").sort_values(
        ["validation_ndcg", "bytes_per_user"], ascending=[False, True]
    )
    return None if known.empty else str(known["row"].iloc[0])
