"""serving.md and its picture."""

import pytest

from stages.reporting.figures import DARK, LIGHT, Theme, look_of
from stages.serving.times import ServingTimes
from stages.serving.times_page import draw, words_of
from tests.reporting.pictures import overlaps, texts_of, texts_on_marks
from tests.serving.made_up_times import made_up_times


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_the_page_tells_machine_and_times() -> None:
    text = words_of(made_up_times(), "A *set*", "measure it", {})
    assert text.startswith("# How long serving takes: A \\*set\\*\n")
    assert "`measure it` on 2030-01-02: Fast, 2 cores, 2 threads; Python 3.11, numpy 2.2; revision abc." in text
    lines = cells(text)
    row = ["`fine`", "tables, int8", "10,000", "20.0 µs", "300.0 µs", "10.0 MB", "100.000 %"]
    assert [*row, "0.3900"] in lines
    assert ["`fine`", "tables, int8", "10,000", "1.0 µs", "2.0 µs", "10.0 MB", "100.000 %"] in lines
    assert ["`coarse`", "9.9 µs", "2.50 ms", "5.0 µs", "7.0 µs", "1,200,000 users/s", "603"] in lines


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_nothing_in_the_picture_covers_anything(theme: Theme) -> None:
    with look_of(theme):
        figure = draw(made_up_times(), theme)
        assert figure is not None
        texts = texts_of(figure)
        assert {text.partition(" ")[2] for text in texts} >= {"fine", "coarse", "dense", "tables, int8"}
        assert overlaps(texts) == []
        assert texts_on_marks(figure) == []


def test_without_measured_accuracy_there_is_no_picture() -> None:
    times = made_up_times()
    drawn = ServingTimes(machine=times.machine, ways=[way for way in times.ways if way.made_up], users=times.users)
    assert draw(drawn, LIGHT) is None
