"""The picture of bytes against accuracy: what is named in it, and that no name stands on anything."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from stages.reporting.drawing import read_tables
from stages.reporting.families import FAMILIES
from stages.reporting.figures import LIGHT, look_of
from stages.reporting.paper import TABLE_1
from stages.reporting.results import NDCG
from stages.reporting.sections import frontier_picture
from tests.reporting.made_up import full_results, tables_of
from tests.reporting.pictures import overlaps, texts_of, texts_on_marks

TWIN = ("twin", "float", "", 800.0, 0.4, np.nan, np.nan, np.nan, "")
COLUMNS = ["row", "family", "float_twin", "bytes_per_user", NDCG]
COLUMNS += ["difference", "difference_low", "difference_high", "standing"]


def rows(*lines: tuple[object, ...], chosen: str = "") -> pd.DataFrame:
    """With a row that the validation users choose, if it is named."""
    table = pd.DataFrame([TWIN, *lines], columns=COLUMNS)
    return table.assign(nearest_twin="", validation_ndcg=np.where(table["row"] == chosen, 0.5, np.nan))


def crowd(seed: int) -> pd.DataFrame:
    """Sixty rows of few sizes and nearly equal accuracy."""
    generator = np.random.default_rng(seed)
    families, sizes = list(FAMILIES), [1.0, 5.0, 20.0, 40.0]
    lines = [
        (
            f"dae-200-codes-{number}", generator.choice(families), "twin", generator.choice(sizes),
            0.4 + difference, difference, difference - 0.01, difference + 0.01, generator.choice(["", "", "front"]),
        )
        for number, difference in enumerate(generator.normal(scale=0.004, size=60))
    ]  # fmt: skip
    return rows(*lines)


def draw(table: pd.DataFrame) -> Figure:
    with look_of(LIGHT):
        figure = frontier_picture.draw({"plots/frontier": table}, LIGHT)
        texts_of(figure)
    return figure


def names_in(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture(params=["made up", "bundled", "crowd 0", "crowd 1", "one row"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> pd.DataFrame:
    if request.param == "bundled":
        return read_tables(Path("reports/ml-latest-small"))["plots/frontier"]
    if request.param == "made up":
        return tables_of(full_results(), tmp_path)["plots/frontier"]
    return rows() if request.param == "one row" else crowd(int(request.param[-1]))


def test_no_name_stands_on_a_mark_a_bar_a_line_or_another_name(table: pd.DataFrame) -> None:
    figure = draw(table)
    assert overlaps(texts_of(figure)) == []
    assert texts_on_marks(figure) == []


def test_at_most_a_dozen_points_are_named(table: pd.DataFrame) -> None:
    assert len(set(names_in(draw(table))) & set(table["row"])) <= 12


def test_the_best_codes_the_front_the_best_of_each_family_and_the_papers_rows_are_named() -> None:
    figure = draw(
        rows(
            ("on the front", "trained", "twin", 5.0, 0.39, -0.01, -0.02, 0.01, "front"),
            ("best of its family", "product", "twin", 20.0, 0.38, -0.02, -0.03, -0.01, ""),
            ("pq-vae-200-200-40x5", "trained", "twin", 40.0, 0.37, -0.03, -0.04, -0.02, ""),
            ("another", "product", "twin", 100.0, 0.36, -0.04, -0.05, -0.03, ""),
            ("best on validation users", "product", "twin", 10.0, 0.35, -0.05, -0.06, -0.04, ""),
            chosen="best on validation users",
        )
    )
    assert set(names_in(figure)) == {
        "float model twin, 800 bytes", "on the front", "best of its family", "pq-vae-200-200-40x5",
        "best on validation users",
    }  # fmt: skip


def test_a_bar_is_the_interval_of_the_difference_from_the_float_twin_on() -> None:
    figure = draw(rows(("codes", "trained", "twin", 40.0, 0.39, -0.01, -0.03, 0.02, "front")))
    (bar,) = (artist for artist in figure.axes[0].collections if isinstance(artist, LineCollection))
    assert bar.get_segments()[0][:, 1].tolist() == pytest.approx([0.4 - 0.03, 0.4 + 0.02])


def test_a_row_far_below_leaves_the_others_their_room_and_is_at_the_foot_with_its_value() -> None:
    near = [(f"row {number}", "trained", "twin", 10.0 * number, 0.39, -0.01, -0.02, 0.0, "") for number in range(1, 8)]
    figure = draw(rows(*near, ("far", "scalar", "twin", 5.0, 0.1, -0.3, -0.31, -0.29, "")))
    assert figure.axes[0].get_ylim()[0] > 0.35
    assert "far ↓ 0.100" in names_in(figure)


def test_codes_that_are_chosen_by_scores_have_a_dot_in_their_mark() -> None:
    codes = ("codes", "trained", "twin", 40.0, 0.39, -0.01, -0.02, 0.0, "")
    guided = ("codes-mixture", "trained", "twin", 20.0, 0.38, -0.02, -0.03, -0.01, "")
    table = rows(codes, guided)
    figure = draw(table.assign(nearest_twin=np.where(table["row"] == "codes-mixture", "codes", "")))
    dots = [line for line in figure.axes[0].get_lines() if line.get_markersize() == frontier_picture.DOT]
    assert [np.asarray(dot.get_xydata())[0].tolist() for dot in dots] == [pytest.approx([20.0, 0.38])]
    assert "dot inside: codes chosen by scores" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_papers_sizes_are_marked() -> None:
    figure = draw(
        rows(("small", "trained", "twin", 1.0, 0.39, -0.01, -0.02, 0.0, ""), ("vae", *TWIN[1:3], 2400, *TWIN[4:]))
    )
    bold = {label.get_text() for label in figure.axes[0].get_xticklabels() if label.get_fontweight() == "bold"}
    assert bold == {f"{row.bytes_per_user:,}" for row in TABLE_1.values()}


def test_marks_of_equal_bytes_and_accuracy_stand_side_by_side() -> None:
    same = ("trained", "twin", 40.0, 0.39, -0.01, -0.02, 0.0, "")
    axes = draw(rows(*((f"row {number}", *same) for number in range(4)))).axes[0]
    marks = [
        np.asarray(line.get_xydata())[0] for line in axes.get_lines() if line.get_marker() == FAMILIES["trained"].marker
    ]
    assert len(np.unique(np.round(axes.transData.transform(np.array(marks))[:, 0]))) == 4
