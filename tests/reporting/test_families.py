"""The one table of families."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from stages.config.reader import read_params
from stages.reporting.families import FAMILIES
from stages.reporting.figures import DARK, LIGHT, Theme
from stages.reporting.page import TEMPLATES


def test_every_row_of_params_yaml_has_a_family() -> None:
    params = read_params()
    assert {params.family_of(row) for row in params.rows()} <= set(FAMILIES)


@pytest.mark.parametrize("feature", ["label", "colour", "marker", "page_marker"])
def test_every_family_has_a_label_a_colour_and_a_marker_of_its_own(feature: str) -> None:
    assert len({getattr(family, feature) for family in FAMILIES.values()}) == len(FAMILIES)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_shows_on_light_and_on_dark_ground(theme: Theme) -> None:
    ground = luminance(theme.ground)
    for family in FAMILIES.values():
        darker, lighter = sorted([ground, luminance(family.colour)])
        assert (lighter + 0.05) / (darker + 0.05) > 2.2, family.label


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 has it: 0 black, 1 white."""
    values = np.array(to_rgb(colour))
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_page_has_an_outline_for_every_marker() -> None:
    outlines = set(re.findall(r'(\w+): "M[-\d]', (TEMPLATES / "frontier.html.j2").read_text()))
    assert {family.page_marker for family in FAMILIES.values()} == outlines
