"""What holds for every section."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.reporting.figures import LIGHT, look_of
from stages.reporting.headline import headline
from stages.reporting.page import render_page
from stages.reporting.results import NDCG, Results, RowResult
from stages.reporting.sections import (
    SECTIONS,
    Section,
    SectionWithData,
    SectionWithPicture,
    budgets,
    code_usage,
    encoders,
    gains,
    items,
    refits,
    serving,
)
from tests.reporting.made_up import EXPERIMENT, FLOAT, full_results, results, tables_of
from tests.reporting.pictures import texts_of

SIZES = "plots/codebook_size"


@pytest.mark.parametrize("section", [gains, encoders, items, refits, budgets, serving, code_usage])
def test_a_section_without_rows_says_none(section: Section, tmp_path: Path) -> None:
    assert "None." in section.words(tables_of(results(FLOAT), tmp_path), EXPERIMENT)


def changed(made_up: Results, change: Callable[[RowResult], RowResult]) -> Results:
    """With other values in every row."""
    return replace(made_up, rows=[*map(change, made_up.rows)], item_rows=[*map(change, made_up.item_rows)])


def of_users(n: int) -> Results:
    """The first users alone; with one, no embedding varies."""

    def first(row: RowResult) -> RowResult:
        lost = None if n == 1 and row.variance_lost else row.variance_lost
        return replace(row, per_user=row.per_user[:n], ndcg=row.ndcg[:, :n], variance_lost=lost)

    made_up = changed(full_results(), first)
    return replace(
        made_up,
        refits={name: users[users["user"] < n] for name, users in made_up.refits.items()},
        budgets={name: users[users["user"] < n] for name, users in made_up.budgets.items()},
        served={
            name: replace(row, ndcg={way: ndcg[:n] for way, ndcg in row.ndcg.items()}, row_ndcg=row.row_ndcg[:n])
            for name, row in made_up.served.items()
        },
    )


def alike(score: float) -> Results:
    """The same NDCG@100 in every row, for every user and seed."""
    return changed(
        full_results(),
        lambda row: replace(
            row,
            per_user=row.per_user.assign(**{NDCG: score}),
            ndcg=np.full_like(row.ndcg, score),
            validation_ndcg=score,
        ),
    )


FEW = {
    "one row": results(FLOAT),
    "one user": of_users(1),
    "two users": of_users(2),
    "one seed": changed(full_results(), lambda row: replace(row, ndcg=row.ndcg[:1])),
    "no hit at all": alike(0.0),
    "all rows equal": alike(0.5),
    "no references": replace(full_results(), rows=[row for row in full_results().rows if row.family != "reference"]),
    "nothing quantized": results(FLOAT, replace(FLOAT, name="dae-200", base="dae-200")),
    "one item, one user": results(
        FLOAT, users=pd.DataFrame({"interactions": [1]}), items=pd.DataFrame({"item": ["a"], "interactions": [1]})
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made_up", FEW.values(), ids=FEW)
def test_little_data_is_written_and_drawn_without_warnings_and_what_is_not_known_is_a_dash(
    made_up: Results, tmp_path: Path
) -> None:
    tables = tables_of(made_up, tmp_path)
    for section in SECTIONS:
        words = section.words(tables, EXPERIMENT)
        assert not words.endswith("\n")
        assert not re.search(r"\b(nan|inf)\b", words)
        if isinstance(section, SectionWithPicture):
            with look_of(LIGHT):
                figure = section.draw(tables, LIGHT)
                # Numbers of the axes included; none is written as mathematics, which is off.
                assert not [text for text in texts_of(figure) if "$" in text] if figure else tables[SIZES].empty
    page = render_page("tiny", tables["plots/frontier"], tables["figures/items"], tables["figures/metrics"])
    assert not re.search(r"NaN|[^-]Infinity", page)
    json.dumps(headline(tables["plots/frontier"], tables["figures/gains"], 5), allow_nan=False)


def test_with_one_user_the_ends_of_every_interval_are_a_dash(tmp_path: Path) -> None:
    tables = tables_of(of_users(1), tmp_path)
    for section in SECTIONS:
        for line in section.words(tables, EXPERIMENT).splitlines():
            if line.startswith("| `"):
                assert not re.search(r"\(\S+ to \S+\)|\(\S+–\S+\)", line), line
    assert tables[SIZES].empty


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
