"""What holds for every section."""

from functools import partial
from pathlib import Path

import pytest

from stages.reporting.figures import write_picture
from stages.reporting.sections import (
    SECTIONS,
    Section,
    SectionWithData,
    SectionWithPicture,
    budgets,
    code_usage,
    gains,
    items,
    refits,
)
from tests.reporting.made_up import EXPERIMENT, FLOAT, full_results, results, tables_of


@pytest.mark.parametrize("section", [gains, items, refits, budgets, code_usage])
def test_a_section_without_rows_says_none(section: Section, tmp_path: Path) -> None:
    assert "None." in section.words(tables_of(results(FLOAT), tmp_path), EXPERIMENT)


def test_every_section_can_be_written_and_drawn_from_a_single_row(tmp_path: Path) -> None:
    tables = tables_of(results(FLOAT), tmp_path)
    for section in SECTIONS:
        assert not section.words(tables, EXPERIMENT).endswith("\n")
        if isinstance(section, SectionWithPicture):
            write_picture(section.PICTURE, partial(section.draw, tables), tmp_path)
    assert (tmp_path / "code_usage.png").exists()


def test_a_section_makes_just_the_tables_that_it_names() -> None:
    names: list[str] = []
    for section in SECTIONS:
        if isinstance(section, SectionWithData):
            assert list(section.data(full_results())) == list(section.TABLES)
            names += section.TABLES
    assert len(set(names)) == len(names)


def test_every_module_here_is_in_the_report() -> None:
    modules = {path.stem for path in Path("stages/reporting/sections").glob("[a-z]*.py")}
    assert {section.__name__.rpartition(".")[2] for section in SECTIONS} == modules  # type: ignore[attr-defined]
