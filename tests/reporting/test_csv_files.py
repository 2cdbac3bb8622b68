"""Tables that are read back as they were written."""

from pathlib import Path

import pandas as pd
import pytest

from stages.reporting.csv_files import Columns, read_report_table, read_table, write_table
from stages.run.errors import UserError
from tests.damage import sealed

TEXT = ("row", "title")
COLUMNS = Columns(("row",), ("users",), ("kept",), more_text=("title",))
TABLE = pd.DataFrame(
    {
        "row": ["007", "1e3", "NA"],
        "title": ["", 'a "quoted", long\ntitle', "None"],
        "users": [1, 2, 3],
        "large": [2**60, 1, 0],
        "kept": [0.1 + 0.2, float("nan"), 1 / 3],
    }
)


def test_text_stays_text_and_an_empty_number_is_not_known(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "table.csv", TEXT)
    table = read_table(tmp_path / "table.csv", TEXT)
    assert table["row"].tolist() == ["007", "1e3", "NA"]
    assert table["title"].tolist() == ["", 'a "quoted", long\ntitle', "None"]
    assert table["users"].tolist() == [1, 2, 3]
    assert table["large"].tolist() == [2**60, 1, 0]
    assert table["kept"].isna().tolist() == [False, True, False]
    assert table["kept"].dropna().tolist() == [0.3, 0.333333]


def test_what_is_read_back_and_written_again_is_the_same(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "first.csv", TEXT)
    write_table(read_table(tmp_path / "first.csv", TEXT), tmp_path / "second.csv", TEXT)
    assert (tmp_path / "second.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()


def test_a_table_without_lines_keeps_its_columns(tmp_path: Path) -> None:
    write_table(TABLE.iloc[:0], tmp_path / "table.csv", TEXT)
    table = read_table(tmp_path / "table.csv", TEXT)
    assert table.columns.tolist() == TABLE.columns.tolist()
    assert table.empty


@pytest.mark.parametrize(("column", "value"), [("users", "three"), ("title", None)])
def test_a_column_that_could_not_be_read_back_is_not_written(tmp_path: Path, column: str, value: str | None) -> None:
    with pytest.raises(ValueError, match=f"column {column} holds"):
        write_table(TABLE.assign(**{column: value}), tmp_path / "table.csv", TEXT)


def test_a_missing_and_a_damaged_table_are_told_apart(tmp_path: Path) -> None:
    report = tmp_path / "tiny"
    report.mkdir()
    with pytest.raises(UserError, match=r"there is no report at .*frontier\.csv; run: dvc repro report@tiny"):
        read_report_table(report, "frontier", COLUMNS)
    (report / "frontier.csv").write_text("row,users,kept\na,many,\n")
    sealed(report / "frontier.csv")
    with pytest.raises(
        UserError, match=r"frontier\.csv is no table of this report; remove it and run the stage report@"
    ):
        read_report_table(report, "frontier", COLUMNS)
    (report / "frontier.csv").write_text("row,users,kept\na,4,\n")
    with pytest.raises(
        UserError, match=r"frontier\.csv is not as the stage report@tiny wrote it; remove it and run the"
    ):
        read_report_table(report, "frontier", COLUMNS)


@pytest.mark.parametrize(
    ("table", "is_right"),
    [
        ("row,users,kept\na,4,\n", True),
        ("row,title,users,kept,more\na,A,4,0.5,1\n", True),
        ("row,users\na,4\n", False),
        ("rows,users,kept\na,4,\n", False),
        ("row,users,kept\na,,0.5\n", False),
        ("row,users,kept\na,inf,0.5\n", False),
        ("row,users,kept\n", False),
        ("", False),
    ],
)
def test_a_table_has_its_columns_and_lines_and_its_numbers_are_known(
    tmp_path: Path, table: str, is_right: bool
) -> None:
    (tmp_path / "frontier.csv").write_text(table)
    sealed(tmp_path / "frontier.csv")
    if is_right:
        assert read_report_table(tmp_path, "frontier", COLUMNS)["users"].tolist() == [4]
    else:
        with pytest.raises(UserError, match=r"frontier\.csv is no table of this report; remove it"):
            read_report_table(tmp_path, "frontier", COLUMNS)


def test_a_table_that_may_have_no_lines_needs_its_columns(tmp_path: Path) -> None:
    (tmp_path / "gains.csv").write_text("row,users,kept\n")
    sealed(tmp_path / "gains.csv")
    assert read_report_table(tmp_path, "gains", COLUMNS._replace(may_be_empty=True)).empty
    with pytest.raises(UserError, match=r"gains\.csv is no table of this report"):
        read_report_table(tmp_path, "gains", COLUMNS._replace(text=("row", "twin"), may_be_empty=True))
