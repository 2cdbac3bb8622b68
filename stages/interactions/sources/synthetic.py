"""Made-up ratings with the tails of MovieLens-20M, in its layout: to rehearse and to measure, never for results."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.random import Generator, default_rng
from tqdm import tqdm

# How often MovieLens-20M has each rating, from half a star to five; the shares here are the same.
STARS = np.arange(1, 11) / 2
STARS_OF_ML_20M = [239125, 680732, 279252, 1430997, 883398, 4291193, 2200156, 5561926, 1534824, 2898660]

# Fitted to the quartiles of ratings per user and per movie in MovieLens-20M, and to what its protocol leaves.
FEWEST_RATINGS = 20  # of a user
MOST_RATINGS = 0.35  # of a user, as a share of all items
ACTIVITY_SPREAD = 1.38  # standard deviation of the log of a user's ratings beyond the fewest
POPULARITY_SPREAD = 3.2  # of the log of an item's popularity,
POPULARITY_CAP = 9.0  # which flattens towards this
FACTORS = 16  # of tastes
TASTE = 0.9  # standard deviation of the log of a user's preference among items of equal popularity
# Standard deviations of what makes up a rating: the user's taste, the item's quality, the user's mildness, and chance.
LIKING, QUALITY, MILDNESS, WHIM = 0.5, 0.6, 0.68, 1.0
FAME = 0.13  # by how much an item's rating grows with the log of its number of ratings
PERIOD = (789_652_009, 1_427_784_002)  # seconds, first and last timestamp

FOLDER = "synthetic"  # inside the archive
USERS_AT_ONCE = 256
ROWS_AT_ONCE = 1_000_000
DATE = (1980, 1, 1, 0, 0, 0)  # of the members: the same bytes on every day


def write_synthetic(path: Path, n_users: int, n_items: int, n_ratings: int, seed: int) -> None:
    """Write a zip archive with `synthetic/ratings.csv` and `synthetic/movies.csv`, laid out as MovieLens does.

    Rows are in order of users, then items. Every item has a rating.

    Parameters
    ----------
    path : of the archive
    n_items : at least 10
    n_ratings : at least one per user and per item, at most a quarter of all pairs

    Sources
    -------
    Which items a user rates is drawn without replacement, by popularity and taste (a latent-factor model); how they
    rate them, from taste, quality and chance, cut at MovieLens-20M's shares of stars.
    """
    generator = default_rng(seed)
    user, item, liking = _draw(n_users, n_items, n_ratings, generator)
    stars = _stars(user, item, liking, generator)
    timestamp = generator.integers(*PERIOD, n_ratings)
    ids = np.sort(generator.choice(5 * n_items, n_items, replace=False)) + 1  # with gaps, as the real ones
    with zipfile.ZipFile(path, "w") as archive:
        with _member(archive, "ratings.csv", "userId,movieId,rating,timestamp") as member:
            for start in range(0, n_ratings, ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                words = pa.array([f"{star:.1f}" for star in STARS]).take(pa.array(stars[rows]))
                _write_csv([user[rows] + 1, ids[item[rows]], words, timestamp[rows]], member)
        with _member(archive, "movies.csv", "movieId,title,genres") as member:
            _write_csv([ids, [f"Made-up movie {number}" for number in ids], ["(none)"] * n_items], member)


def _draw(n_users: int, n_items: int, n_ratings: int, generator: Generator) -> tuple[np.ndarray, ...]:
    """User and item of each rating, int32, and how well the item suits the user's taste, float32."""
    counts = _ratings_per_user(n_users, n_items, n_ratings, generator)
    popularity = -np.logaddexp(-POPULARITY_SPREAD * generator.standard_normal(n_items), -POPULARITY_CAP)
    popularity = popularity.astype(np.float32)
    kinds = generator.standard_normal((n_items, FACTORS), dtype=np.float32) / np.float32(np.sqrt(FACTORS))
    user = np.repeat(np.arange(n_users, dtype=np.int32), counts)
    item, liking = np.empty(n_ratings, np.int32), np.empty(n_ratings, np.float32)
    starts = np.cumsum(counts) - counts
    by_count = np.argsort(counts, kind="stable")  # users of a block have about as many ratings
    for start in tqdm(
        range(0, n_users, USERS_AT_ONCE), disable=None, leave=False, unit_scale=USERS_AT_ONCE, unit="user"
    ):
        users = by_count[start : start + USERS_AT_ONCE]
        tastes = TASTE * generator.standard_normal((len(users), FACTORS), dtype=np.float32)
        preferences = tastes @ kinds.T
        # The first of exponential clocks that run at these rates are a draw without replacement in their proportion.
        clocks = generator.standard_exponential((len(users), n_items), dtype=np.float32)
        clocks *= np.exp(-(preferences + popularity))
        first = np.argpartition(clocks, counts[users].max() - 1, axis=1)[:, : counts[users].max()]
        order = np.argsort(np.take_along_axis(clocks, first, axis=1), axis=1)
        for row, one in enumerate(users):
            mine = first[row, order[row, : counts[one]]]
            place = slice(starts[one], starts[one] + counts[one])
            item[place], liking[place] = mine, preferences[row, mine]
    # Items that nobody rated replace repeated ones.
    unrated = np.setdiff1d(np.arange(n_items), item)
    repeated = np.ones(n_ratings, dtype=bool)
    repeated[np.unique(item, return_index=True)[1]] = False
    item[generator.choice(np.flatnonzero(repeated), len(unrated), replace=False)] = unrated
    order = np.lexsort((item, user))
    return user, item[order], liking[order]


def _ratings_per_user(n_users: int, n_items: int, n_ratings: int, generator: Generator) -> np.ndarray:
    """int64 (n_users,): a log-normal tail beyond the fewest, scaled to the sum."""
    fewest, most = min(FEWEST_RATINGS, n_ratings // n_users), max(1, int(MOST_RATINGS * n_items))
    tail = generator.lognormal(0, ACTIVITY_SPREAD, n_users)
    low, high = 0.0, float(n_ratings)
    for _ in range(100):  # bisection
        scale = (low + high) / 2
        low, high = (scale, high) if np.minimum(fewest + scale * tail, most).sum() < n_ratings else (low, scale)
    exact = np.minimum(fewest + low * tail, most)
    counts = exact.astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: n_ratings - counts.sum()]] += 1
    return counts


def _stars(user: np.ndarray, item: np.ndarray, liking: np.ndarray, generator: Generator) -> np.ndarray:
    """Index in STARS of each rating, int64."""
    value = liking * (LIKING / TASTE) + WHIM * generator.standard_normal(len(liking), dtype=np.float32)
    times = np.bincount(item).astype(np.float32)
    value += (FAME * np.log(times) + QUALITY * generator.standard_normal(len(times), dtype=np.float32))[item]
    value += (MILDNESS * generator.standard_normal(user.max() + 1, dtype=np.float32))[user]
    shares = np.cumsum(STARS_OF_ML_20M) / np.sum(STARS_OF_ML_20M)
    return np.searchsorted(np.quantile(value, shares[:-1]), value)


@contextmanager
def _member(archive: zipfile.ZipFile, name: str, header: str) -> Iterator[IO[bytes]]:
    info = zipfile.ZipInfo(f"{FOLDER}/{name}", DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w") as member:
        member.write(f"{header}\n".encode())
        yield member


def _write_csv(columns: list[Any], member: IO[bytes]) -> None:
    table = pa.table(columns, names=[str(number) for number in range(len(columns))])
    pa.csv.write_csv(table, member, pa.csv.WriteOptions(include_header=False, quoting_style="none"))
