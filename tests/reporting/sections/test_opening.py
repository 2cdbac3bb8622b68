"""The title, and what to beware of."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import opening
from tests.reporting.made_up import EXPERIMENT, FLOAT, PUBLISHED, results, tables_of


def test_the_opening_warns_of_everything_that_forbids_to_trust_the_numbers(tmp_path: Path) -> None:
    experiment = replace(EXPERIMENT, is_made_up=True, caution="Too small.", published=PUBLISHED)
    tables = tables_of(results(FLOAT, protocol=PUBLISHED.values() | {"users": 10}), tmp_path)
    text = opening.words(tables, experiment)
    title = "# Bytes per user against accuracy: synthetic data, a tiny set"
    assert text.startswith(f"{title}\n\n> **The ratings are made up")
    assert "> **WARNING: the split is not that of a famous notebook, so no row can be compared" in text
    assert "> - users is 10, published 3\n" in text
    assert "\n\n> **Too small.**\n\n" in text


def test_the_opening_says_that_another_set_does_not_reproduce_the_papers_table(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    title, *warnings = opening.words(tables, EXPERIMENT).split("\n\n")
    assert title == "# Bytes per user against accuracy: a tiny set"
    assert [line.startswith("> **No row here is of MovieLens-20M") for line in warnings] == [True]
    assert opening.words(tables, replace(EXPERIMENT, compare_with_paper=True)) == title
