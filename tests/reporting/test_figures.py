"""How the pictures look: on light and dark ground, and with words that can be read."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from stages.reporting.csv_files import Tables
from stages.reporting.drawing import read_tables
from stages.reporting.figures import DARK, LIGHT, Theme, look_of, spread, write_picture
from stages.reporting.sections import SECTIONS, SectionWithPicture
from tests.reporting.made_up import full_results, tables_of
from tests.reporting.pictures import overlaps, texts_of

DRAWN = [section for section in SECTIONS if isinstance(section, SectionWithPicture)]


@pytest.fixture(scope="module", params=["made up", "bundled"])
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    if request.param == "bundled":
        return read_tables(Path("reports/ml-latest-small"))
    return tables_of(full_results(), tmp_path_factory.mktemp("tables"))


def a_line(theme: Theme) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], color=theme.text)
    return figure


@pytest.mark.parametrize(("name", "theme"), [("line", LIGHT), ("line-dark", DARK)])
def test_a_picture_is_drawn_on_light_and_on_dark_ground(name: str, theme: Theme, tmp_path: Path) -> None:
    write_picture("line", a_line, tmp_path)
    corner = (imread(tmp_path / f"{name}.png")[0, 0, :3] * 255).round().astype(int)
    assert "#" + bytes(corner.tolist()).hex() == theme.ground
    assert {path.name for path in tmp_path.iterdir()} == {"line.png", "line-dark.png"}


def test_nothing_to_draw_is_no_file(tmp_path: Path) -> None:
    write_picture("nothing", lambda theme: None, tmp_path)  # noqa: ARG005
    assert not list(tmp_path.iterdir())


def test_a_picture_names_no_version_and_no_date(tmp_path: Path) -> None:
    write_picture("line", a_line, tmp_path)
    assert not re.search(rb"tEXt|matplotlib|tIME", (tmp_path / "line.png").read_bytes())


def test_a_dollar_is_no_mathematics() -> None:
    with look_of(LIGHT):
        figure = Figure()
        figure.text(0.5, 0.5, r"$\frac{1$ for two")
        assert any("for two" in text for text in texts_of(figure))  # as mathematics it could not be drawn


@pytest.mark.parametrize("section", DRAWN, ids=lambda section: section.PICTURE)
def test_words_are_inside_the_picture_and_do_not_cover_each_other(section: SectionWithPicture, tables: Tables) -> None:
    with look_of(LIGHT):
        figure = section.draw(tables, LIGHT)
        assert figure
        texts = texts_of(figure)
    width, height = figure.bbox.size
    assert [text for text, box in texts.items() if box.x0 < 0 or box.x1 > width or box.y0 < 0 or box.y1 > height] == []
    assert overlaps(texts) == []


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.5, 0.6]),
        ([0.5, 0.45, 0.9], [0.55, 0.45, 0.9]),
        ([1.0, 1.0], [0.9, 1.0]),
        ([1.7, -0.3], [1.0, 0.0]),
    ],
)
def test_names_keep_their_order_and_stay_apart(wanted: list[float], places: list[float]) -> None:
    assert np.allclose(spread(wanted, 0.1), places)
