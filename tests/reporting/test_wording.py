"""How the report writes."""

import pytest

from stages.reporting.wording import UNKNOWN, difference, folded, gigabytes, share_interval, verdict


def test_a_folded_section_shows_its_heading_and_leaves_room_for_markdown_below() -> None:
    assert folded("## A table\n\n| a |\n\nWords.") == (
        "<details><summary><b>A table</b></summary>\n\n| a |\n\nWords.\n\n</details>"
    )
    assert folded("") == ""


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.1, 0.2, "above"), (-0.2, -0.1, "below"), (-0.1, 0.1, "not significant")]
)
def test_a_difference_is_significant_where_its_interval_leaves_out_0(low: float, high: float, said: str) -> None:
    assert verdict(low, high) == said


@pytest.mark.parametrize(("n_bytes", "written"), [(24e9, "24 GB"), (302_048_000, "0.302 GB"), (0, "0 GB")])
def test_gigabytes_are_of_a_thousand_million_bytes(n_bytes: float, written: str) -> None:
    assert gigabytes(n_bytes) == written


def test_ends_of_an_interval_that_are_not_known_are_a_dash() -> None:
    unknown = float("nan")
    assert share_interval(0.5, 0.25, 1) == "50.0 % (25.0–100.0)"
    assert share_interval(0.5, unknown, unknown) == "50.0 % (–)"
    assert difference(0.5, 0.25, 1) == "+0.5000 (+0.2500 to +1.0000)"
    assert difference(0.5, unknown, unknown) == "+0.5000 (–)"
    assert verdict(unknown, unknown) == UNKNOWN
