"""The title, and what to beware of."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import opening
from tests.reporting.made_up import EXPERIMENT, FLOAT, PUBLISHED, results, tables_of


def test_the_opening_warns_of_everything_that_forbids_to_trust_the_numbers(tmp_path: Path) -> None:
    experiment = replace(EXPERIMENT, is_made_up=True, caution="Too small.", published=PUBLISHED)
    tables = tables_of(results(FLOAT, protocol=PUBLISHED.model_dump() | {"users": 10}), tmp_path)
    text = opening.words(tables, experiment)
    title = "# Bytes per user against accuracy: synthetic data, a tiny set"
    assert text.startswith(f"{title}\n\n> **The ratings are made up")
    assert "> - users is 10, published 3\n" in text
    assert text.endswith("\n\n> **Too small.**")


def test_the_opening_of_a_real_set_is_its_title(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    assert opening.words(tables, EXPERIMENT) == "# Bytes per user against accuracy: a tiny set"
