"""What the paper's rows lose that are quantized after training, by a study of fits."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.config.params import AS_IS
from stages.reporting.csv_files import read_table, write_table
from stages.reporting.sections import paper_gap
from stages.reporting.sections.paper_gap import COLUMNS, FLOAT, FittedRow, losses
from tests.reporting.made_up import BOOTSTRAP, EXPERIMENT, cells

YARDSTICK, MODEL, CODES = "dae-200", "dae-200-200-200", "pq-40x5"
USERS = np.array([[0.5, 1.0, 0.75, 0.25], [0.25, 1.0, 0.5, 0.75]])  # (n_seeds, n_users)


def rows(**losses_of: tuple[float, float]) -> list[FittedRow]:
    """Lines whose losses of the yardstick are given, in float and by codes: of the model as it is, and of variants."""
    lines = [FittedRow(YARDSTICK, AS_IS, FLOAT, USERS), FittedRow(YARDSTICK, AS_IS, CODES, USERS * 0.9)]
    for variant, (of_float, of_codes) in losses_of.items():
        name = AS_IS if variant == "as_is" else variant
        lines.append(FittedRow(MODEL, name, FLOAT, USERS * (1 - of_float)))
        lines.append(FittedRow(MODEL, name, CODES, USERS * (1 - of_codes)))
    return lines


def explained(made_up: list[FittedRow], is_the_papers: bool = False) -> str:
    return paper_gap.explained(losses(made_up, BOOTSTRAP), "a tiny set", is_the_papers)


def test_losses_are_shares_of_the_yardstick_and_of_the_own_float_model() -> None:
    table = losses(rows(as_is=(0.2, 0.4), worse=(0.2, 0.5)), BOOTSTRAP)
    of_model = table[table["model"] == MODEL]  # as it is in float and by codes, then the variant
    assert list(of_model["loss"]) == pytest.approx([0.2, 0.4, 0.2, 0.5])
    assert list(of_model["own_loss"])[1::2] == pytest.approx([0.25, 0.375])
    assert list(of_model["added"])[2:] == pytest.approx([0.0, 0.1])


def test_what_has_nothing_to_be_compared_with_is_not_known() -> None:
    table = losses(rows(as_is=(0.2, 0.4), worse=(0.2, 0.5)), BOOTSTRAP)
    assert np.isnan(table["loss"]).tolist() == [True] + 5 * [False]
    assert (table["stored"] == FLOAT).tolist() == np.isnan(table["own_loss"]).tolist()
    assert (table["variant"] == AS_IS).tolist() == np.isnan(table["added"]).tolist()


def test_intervals_are_paired() -> None:
    """A loss of the same share for every user and seed is known, however much users and seeds differ."""
    table = losses(rows(as_is=(0.2, 0.4)), BOOTSTRAP)
    np.testing.assert_allclose(table["loss_low"], table["loss"])
    np.testing.assert_allclose(table["loss_high"], table["loss"])
    unlike = [*rows()[:1], FittedRow(MODEL, AS_IS, FLOAT, USERS[:, ::-1].copy())]
    line = losses(unlike, BOOTSTRAP).iloc[1]
    assert line["loss_low"] < line["loss"] < line["loss_high"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("few", [USERS[:, :1], np.zeros((2, 4))], ids=["one user", "no hit"])
def test_where_no_interval_is_known_nothing_is_said(few: np.ndarray) -> None:
    made_up = [row._replace(ndcg=few) for row in rows(as_is=(0, 0), other=(0, 0))]
    assert not re.search(r"\b(nan|inf)\b", paper_gap.shown(losses(made_up, BOOTSTRAP)))
    assert explained(made_up) == ""


def test_the_table_has_a_line_for_each_variant() -> None:
    shown = cells(paper_gap.shown(losses(rows(as_is=(0.2, 0.4), **{"a | b": (0.2, 0.5)}), BOOTSTRAP)))
    assert shown[0][:4] == ["variant", FLOAT, CODES, f"{FLOAT} against {YARDSTICK}"]
    assert [line[0] for line in shown[1:3]] == [f"`{YARDSTICK}`, as it is", f"`{MODEL}`, as it is"]
    assert shown[2][-2:] == ["40.0 % (40.0 to 40.0)", "25.0 % (25.0 to 25.0)"]


@pytest.mark.parametrize(
    ("made_up", "expected"),
    [
        (rows(as_is=(0.05, 0.06)), "In float, `dae-200-200-200` loses 5.0 % (5.0 to 5.0) of `dae-200`."),
        (
            rows(as_is=(0.05, 0.06)),
            "6.0 % (6.0 to 6.0) of `dae-200`: 13.0 of the paper's 19.0 points are not explained",
        ),
        (rows(as_is=(0.05, 0.25)), "of `dae-200`: 6.0 points more than in the paper."),
        (rows(as_is=(0.05, 0.06), a=(0.05, 0.16)), "lose more: a +10.0 % (10.0 to 10.0)."),
        (rows(as_is=(0.05, 0.06), a=(0.05, 0.01)), "lose less: a -5.0 % (-5.0 to -5.0)."),
        (rows(as_is=(0.05, 0.06), a=(0.05, 0.06)), "not significant: a 0.0 % (0.0 to 0.0)."),
        (rows(as_is=(0.05, 0.06), a=(0.05, 0.16)), "is not explained** by any line; the most is lost by a 16.0 %"),
        (rows(as_is=(0.05, 0.06), a=(0.05, 0.25)), "is exceeded by a 25.0 % (25.0 to 25.0); of 1 of the 2 lines the"),
    ],
)
def test_what_is_explained_and_what_is_not(made_up: list[FittedRow], expected: str) -> None:
    assert expected in explained(made_up)


def test_a_loss_within_an_interval_is_said() -> None:
    unsure = USERS * [[0.6, 0.9, 0.8, 0.9], [0.9, 0.6, 0.9, 0.8]]
    made_up = [*rows(as_is=(0.05, 0.06)), FittedRow(MODEL, "a", FLOAT, USERS), FittedRow(MODEL, "a", CODES, unsure)]
    assert "is within the interval of a" in explained(made_up)


def test_fewer_bytes_are_compared_as_in_the_paper() -> None:
    made_up = rows(as_is=(0.05, 0.06))
    made_up += [row._replace(stored="pq-20x10", ndcg=row.ndcg * 0.9) for row in made_up if row.stored == CODES]
    made_up.sort(key=lambda row: row.model)
    assert "The fewer bytes lose +1.7 points in the paper, and +9.4 here as it is" in explained(made_up)


def test_nothing_is_claimed_of_a_data_set_that_the_study_was_not_run_on() -> None:
    claim = "Nothing is claimed about MovieLens-20M"
    assert claim in explained(rows(as_is=(0.05, 0.06)))
    assert claim not in explained(rows(as_is=(0.05, 0.06)), is_the_papers=True)


def test_models_that_the_paper_does_not_have_are_not_compared_with_it() -> None:
    assert explained([row._replace(model=f"my-{row.model}") for row in rows(as_is=(0.05, 0.06))]) == ""


def test_the_section_is_there_where_the_study_was_run() -> None:
    experiment = replace(EXPERIMENT, fit_studies=["gap"])
    assert paper_gap.words({}, experiment) == ""
    text = paper_gap.words({"studies/gap": losses(rows(as_is=(0.05, 0.06)), BOOTSTRAP)}, experiment)
    assert text.startswith("## What the paper's loss after training is made of\n\n")
    assert text.endswith("[studies/gap.md](studies/gap.md).")


def test_a_table_is_read_as_it_was_written_and_a_shorter_one_is_none(tmp_path: Path) -> None:
    table = losses(rows(as_is=(0.2, 0.4), a=(0.2, 0.5)), BOOTSTRAP)
    write_table(table, tmp_path / "gap.csv", COLUMNS.all_text)
    read = read_table(tmp_path / "gap.csv", COLUMNS.all_text)
    pd.testing.assert_frame_equal(read, table, rtol=1e-5)
    paper_gap.check(read)
    for line in range(len(read)):
        with pytest.raises(ValueError, match="lines are missing"):
            paper_gap.check(read.drop(index=line))
