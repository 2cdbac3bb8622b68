"""How many centroids are enough."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stages.reporting.figures import LIGHT
from stages.reporting.sections import codebook_size
from stages.reporting.sections.codebook_size import knee_of
from tests.reporting.made_up import EXPERIMENT, FLOAT, results, row, tables_of


@pytest.mark.parametrize(
    ("lost", "knee"),
    [
        ({2: 1.0, 4: 0.3, 8: 0.2, 16: 0.1}, 4),
        ({2: 1.0, 4: 0.9, 8: 0.2, 16: 0.1}, 8),
        ({2: 1.0, 4: 0.5}, 2),
    ],
)
def test_the_knee_is_farthest_below_the_straight_line(lost: dict[int, float], knee: int) -> None:
    assert knee_of(pd.DataFrame({"size": list(lost), "variance_lost": list(lost.values())})) == knee


def test_sizes_rise_and_have_the_name_that_they_share(tmp_path: Path) -> None:
    rows = [
        replace(
            row(f"kmeans-k{size}", [0.1, 0.2, 0.3]),
            base="kmeans",
            centroids=size,
            variance_lost=lost,
            fit_errors=[2, 1],
        )
        for size, lost in ((256, 0.2), (16, 0.3), (4, 1.0))
    ]
    tables = tables_of(results(FLOAT, *rows), tmp_path)
    assert tables["plots/codebook_size"]["row"].tolist() == ["kmeans"] * 3
    assert tables["plots/codebook_size"]["size"].tolist() == [4, 16, 256]
    assert tables["figures/convergence"]["iteration"].tolist() == [1, 2] * 3
    assert "The knee of `kmeans` is at **16 centroids**." in codebook_size.words(tables, EXPERIMENT)


def test_without_k_means_there_is_no_section_and_no_picture(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    assert codebook_size.words(tables, EXPERIMENT) == ""
    assert codebook_size.draw(tables, LIGHT) is None
