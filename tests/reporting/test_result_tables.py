"""Tables of results come back as they were written, or are refused in one sentence."""

import math
from pathlib import Path

import pandas as pd
import pytest

from stages.reporting.result_tables import anything, integers, numbers, numbers_or_nan, read_csv, read_parquet
from stages.run.errors import UserError
from tests.damage import sealed

TABLE = pd.DataFrame({"row": ["a", "b"], "seed": [0, 1], "ndcg": [0.5, math.nan], "bytes": [4.0, 8.5]})
COLUMNS = {"row": anything, "seed": integers, "ndcg": numbers_or_nan, "bytes": numbers}


def test_tables_come_back(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    TABLE.to_parquet(tmp_path / "table.parquet", index=False)
    pd.testing.assert_frame_equal(read_csv(sealed(tmp_path / "table.csv"), "evaluate", COLUMNS), TABLE)
    pd.testing.assert_frame_equal(read_parquet(sealed(tmp_path / "table.parquet"), "evaluate", COLUMNS), TABLE)


def test_a_table_without_lines_has_columns_of_no_kind(tmp_path: Path) -> None:
    TABLE.iloc[:0].to_csv(tmp_path / "table.csv", index=False)
    TABLE.iloc[:0].to_parquet(tmp_path / "table.parquet", index=False)
    path = sealed(tmp_path / "table.csv")
    assert read_csv(path, "evaluate", COLUMNS, may_be_empty=True).columns.tolist() == list(COLUMNS)
    with pytest.raises(UserError, match=r"table\.csv has no lines; remove it and run the stage evaluate again"):
        read_csv(path, "evaluate", COLUMNS)
    with pytest.raises(UserError, match=r"table\.parquet has no (lines|column)"):
        read_parquet(tmp_path / "table.parquet", "evaluate", COLUMNS)


@pytest.mark.parametrize(
    "table",
    [
        TABLE.drop(columns="ndcg"),
        TABLE.rename(columns={"seed": "sead"}),
        TABLE.assign(seed=[0.5, 1.5]),
        TABLE.assign(ndcg=["high", "low"]),
        TABLE.assign(ndcg=[True, False]),
        TABLE.assign(bytes=[math.nan, 1.0]),
        TABLE.assign(bytes=[math.inf, 1.0]),
        TABLE.assign(bytes=None),
    ],
    ids=["a column less", "renamed", "no integers", "text", "truths", "a number less", "infinite", "emptied"],
)
def test_a_table_of_other_columns_is_said(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    table.to_parquet(tmp_path / "table.parquet", index=False)
    with pytest.raises(UserError, match=r"table\.csv has no column (ndcg|seed|bytes) as it should be; remove it"):
        read_csv(sealed(tmp_path / "table.csv"), "evaluate", COLUMNS)
    with pytest.raises(UserError, match=r"table\.parquet has no column (ndcg|seed|bytes) as it should be; remove it"):
        read_parquet(sealed(tmp_path / "table.parquet"), "evaluate", COLUMNS)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff\xfe", b'a,b\n"', b"PAR1" + bytes(8) + b"PAR1"])
def test_what_is_no_table_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    for read in (read_csv, read_parquet):
        with pytest.raises(UserError, match=r"table (is no|has no column)"):
            read(sealed(path), "evaluate", COLUMNS)
