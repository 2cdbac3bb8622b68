"""Made-up ratings: exactly as many as asked for, in order, with tails, and the same bytes from the same seed."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.interactions.sources.synthetic import STARS_OF_ML_20M, write_synthetic

N_USERS, N_ITEMS, N_RATINGS = 600, 900, 60_000


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    path = tmp_path_factory.mktemp("synthetic") / "synthetic.zip"
    write_synthetic(path, N_USERS, N_ITEMS, N_RATINGS, seed=1)
    with zipfile.ZipFile(path) as archive, archive.open("synthetic/ratings.csv") as member:
        return pd.read_csv(member)


def test_there_are_exactly_as_many_as_asked_for(ratings: pd.DataFrame) -> None:
    assert len(ratings) == N_RATINGS
    assert ratings["userId"].nunique() == N_USERS
    assert ratings["movieId"].nunique() == N_ITEMS
    assert not ratings.duplicated(["userId", "movieId"]).any()


def test_rows_are_in_order(ratings: pd.DataFrame) -> None:
    pairs = ratings[["userId", "movieId"]]
    assert pairs.equals(pairs.sort_values(["userId", "movieId"], ignore_index=True))


def test_stars_have_the_shares_of_movielens_20m(ratings: pd.DataFrame) -> None:
    shares = ratings["rating"].value_counts(normalize=True).sort_index()
    assert shares.index.tolist() == [half / 2 for half in range(1, 11)]
    np.testing.assert_allclose(shares, np.array(STARS_OF_ML_20M) / sum(STARS_OF_ML_20M), atol=0.002)


def test_users_and_items_have_long_tails(ratings: pd.DataFrame) -> None:
    for column in ("userId", "movieId"):
        counts = ratings[column].value_counts()
        assert counts.mean() > 1.3 * counts.median()


def test_users_have_tastes(ratings: pd.DataFrame) -> None:
    """The matrix of what is rated has directions that chance alone, with the same margins, does not give."""
    matrix = ratings.pivot_table(index="userId", columns="movieId", values="rating", aggfunc="size", fill_value=0)
    seen = matrix.to_numpy() > 0
    expected = seen.mean(1, keepdims=True) * seen.mean(0, keepdims=True) / seen.mean()
    shuffled = np.random.default_rng(0).random(seen.shape) < expected.clip(max=1)
    strength = [np.linalg.svd(part - expected, compute_uv=False)[1:9].sum() for part in (seen, shuffled)]
    assert strength[0] > 1.1 * strength[1]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        write_synthetic(tmp_path / name, 50, 60, 500, seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(("n_users", "n_items", "n_ratings"), [(4, 40, 40), (10, 40, 100), (30, 10, 60)])
def test_the_smallest_sizes_work(tmp_path: Path, n_users: int, n_items: int, n_ratings: int) -> None:
    write_synthetic(tmp_path / "small.zip", n_users, n_items, n_ratings, seed=1)
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        assert archive.read("synthetic/ratings.csv").count(b"\n") == n_ratings + 1


def test_titles_are_beside_the_ratings(tmp_path: Path) -> None:
    write_synthetic(tmp_path / "small.zip", 10, 40, 80, seed=1)
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        assert archive.read("synthetic/movies.csv").count(b"\n") == 41
