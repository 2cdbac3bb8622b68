"""The one table of families."""

import re

import pytest

from stages.config.reader import read_params
from stages.reporting.families import FAMILIES
from stages.reporting.page import TEMPLATES


def test_every_row_of_params_yaml_has_a_family() -> None:
    params = read_params()
    assert {params.family_of(row) for row in params.rows()} <= set(FAMILIES)


@pytest.mark.parametrize("feature", ["label", "colour", "marker", "page_marker"])
def test_every_family_has_a_label_a_colour_and_a_marker_of_its_own(feature: str) -> None:
    assert len({getattr(family, feature) for family in FAMILIES.values()}) == len(FAMILIES)


def test_the_page_has_an_outline_for_every_marker() -> None:
    outlines = set(re.findall(r'(\w+): "M[-\d]', (TEMPLATES / "frontier.html.j2").read_text()))
    assert {family.page_marker for family in FAMILIES.values()} == outlines
