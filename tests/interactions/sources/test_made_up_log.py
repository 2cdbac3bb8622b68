"""A made-up log looks like plays of a music service: in time order, with long tails and tastes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.interactions.sources import made_up_log
from stages.interactions.sources.made_up_log import write_made_up_log

N_USERS, N_ITEMS, N_ROWS, PER_FILE = 1000, 500, 40_007, 15_000


def files(folder: Path) -> list[pd.DataFrame]:
    """In the order of their names, as a folder is read."""
    return [pd.read_parquet(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made_up_log, "ROWS_PER_FILE", PER_FILE)
        write_made_up_log(folder, N_USERS, N_ITEMS, N_ROWS, seed=1)
    return files(folder)


@pytest.fixture(scope="module")
def log(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def test_there_are_exactly_as_many_rows_as_asked_for(parts: list[pd.DataFrame]) -> None:
    assert [len(part) for part in parts] == [PER_FILE, PER_FILE, N_ROWS - 2 * PER_FILE]


def test_ids_are_below_what_there_may_be(log: pd.DataFrame) -> None:
    assert log.columns.tolist() == ["user", "item", "timestamp"]
    for column, n in (("user", N_USERS), ("item", N_ITEMS)):
        assert log[column].between(0, n - 1).all()
        assert log[column].nunique() > 0.9 * n


def test_all_files_together_are_in_time_order(log: pd.DataFrame) -> None:
    assert log["timestamp"].is_monotonic_increasing
    first, last = made_up_log.PERIOD
    assert first <= log["timestamp"].min() < log["timestamp"].max() <= last
    assert log["timestamp"].nunique() > 0.9 * N_ROWS


def test_no_file_repeats_another(parts: list[pd.DataFrame]) -> None:
    same = [(parts[0][column] == parts[1][column]).mean() for column in ("user", "item")]
    assert max(same) < 0.1


def test_users_and_items_have_long_tails(log: pd.DataFrame) -> None:
    for column in ("user", "item"):
        counts = log[column].value_counts()
        assert counts.mean() > 1.2 * counts.median()
        assert counts.head(len(counts) // 10).sum() > 0.25 * N_ROWS


def test_pairs_come_again(log: pd.DataFrame) -> None:
    assert log.duplicated(["user", "item"]).any()


def test_users_have_tastes(log: pd.DataFrame) -> None:
    """The matrix of what is played has directions that chance alone, with the same margins, does not give."""
    counts = log.pivot_table(index="user", columns="item", values="timestamp", aggfunc="size", fill_value=0).to_numpy()
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    shuffled = np.random.default_rng(0).poisson(expected)
    strength = [np.linalg.svd(part - expected, compute_uv=False)[:8].sum() for part in (counts, shuffled)]
    assert strength[0] > 1.5 * strength[1]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        (tmp_path / name).mkdir()
        write_made_up_log(tmp_path / name, 50, 100, 500, seed)
    a, b, c = ((tmp_path / name / "part-00000.parquet").read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(("n_users", "n_items", "n_rows"), [(1, 100, 1), (2**31 - 1, 2**31 - 1, 1000)])
def test_the_smallest_and_the_largest_numbers_of_users_and_items_work(
    tmp_path: Path, n_users: int, n_items: int, n_rows: int
) -> None:
    write_made_up_log(tmp_path, n_users, n_items, n_rows, seed=1)
    (log,) = files(tmp_path)
    assert len(log) == n_rows
    assert log["user"].between(0, n_users - 1).all()
    assert log["item"].between(0, n_items - 1).all()
