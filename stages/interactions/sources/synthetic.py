"""Synthetic ratings with the tails and layout of MovieLens-20M, for tests and timings, never for results."""

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

# Number of MovieLens-20M ratings with each value, from half a star to five; synthetic ratings have the same shares.
STARS = np.arange(1, 11) / 2
STARS_OF_ML_20M = [239125, 680732, 279252, 1430997, 883398, 4291193, 2200156, 5561926, 1534824, 2898660]

# Fitted to the quartiles of ratings per user and per movie in MovieLens-20M, and to its counts after filtering.
FEWEST_RATINGS = 20  # per user
MOST_RATINGS = 0.35  # per user, as a share of all items
ACTIVITY_SPREAD = 1.38  # standard deviation of the log of a user's number of ratings above the minimum
POPULARITY_SPREAD = 3.2  # standard deviation of the log of an item's popularity,
POPULARITY_CAP = 9.0  # which saturates towards this
FACTORS = 16  # dimensions of a user's taste
TASTE = 0.9  # standard deviation of the log of a user's preference among items of equal popularity
# Standard deviations of the terms of a rating: taste of the user, quality of the item, mildness of the user, noise.
LIKING, QUALITY, MILDNESS, WHIM = 0.5, 0.6, 0.68, 1.0
FAME = 0.13  # increase of an item's mean rating with the log of its number of ratings
PERIOD = (789_652_009, 1_427_784_002)  # seconds, first and last timestamp

FOLDER = "synthetic"  # inside the archive
USERS_AT_ONCE = 256
ROWS_AT_ONCE = 1_000_000
DATE = (1980, 1, 1, 0, 0, 0)  # of all members, so that the bytes do not depend on the day


def write_synthetic(path: Path, n_users: int, n_items: int, n_ratings: int, seed: int) -> None:
    """Write a zip archive with `synthetic/ratings.csv` and `synthetic/movies.csv`, in the layout of MovieLens.

    Rows are sorted by user, then item. Every item has at least one rating.

    Parameters
    ----------
    path : path of the archive
    n_users : number of users
    n_items : number of items, at least 10
    n_ratings : number of ratings, at least one per user and per item, at most a quarter of all pairs
    seed : seed of all random draws

    Sources
    -------
    A user's items are drawn without replacement, by popularity and taste (a latent-factor model). Ratings are the sum
    of taste, quality, fame, mildness and noise, cut at the shares of stars in MovieLens-20M.
    """
    generator = default_rng(seed)
    user, item, liking = _draw(n_users, n_items, n_ratings, generator)
    stars = _stars(user, item, liking, generator)
    timestamp = generator.integers(*PERIOD, n_ratings)
    ids = np.sort(generator.choice(5 * n_items, n_items, replace=False)) + 1  # with gaps, like real ids
    with zipfile.ZipFile(path, "w") as archive:
        with _member(archive, "ratings.csv", "userId,movieId,rating,timestamp") as member:
            for start in range(0, n_ratings, ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                words = pa.array([f"{star:.1f}" for star in STARS]).take(pa.array(stars[rows]))
                _write_csv([user[rows] + 1, ids[item[rows]], words, timestamp[rows]], member)
        with _member(archive, "movies.csv", "movieId,title,genres") as member:
            _write_csv([ids, [f"Made-up movie {number}" for number in ids], ["(none)"] * n_items], member)


def _draw(n_users: int, n_items: int, n_ratings: int, generator: Generator) -> tuple[np.ndarray, ...]:
    """User and item of each rating, int32, and the user's preference for the item, float32."""
    counts = _ratings_per_user(n_users, n_items, n_ratings, generator)
    popularity = -np.logaddexp(-POPULARITY_SPREAD * generator.standard_normal(n_items), -POPULARITY_CAP)
    popularity = popularity.astype(np.float32)
    traits = generator.standard_normal((n_items, FACTORS), dtype=np.float32) / np.float32(np.sqrt(FACTORS))
    user = np.repeat(np.arange(n_users, dtype=np.int32), counts)
    item, liking = np.empty(n_ratings, np.int32), np.empty(n_ratings, np.float32)
    starts = np.cumsum(counts) - counts
    by_count = np.argsort(counts, kind="stable")  # users of a block have similar numbers of ratings
    for start in tqdm(
        range(0, n_users, USERS_AT_ONCE), disable=None, leave=False, unit_scale=USERS_AT_ONCE, unit="user"
    ):
        users = by_count[start : start + USERS_AT_ONCE]
        tastes = TASTE * generator.standard_normal((len(users), FACTORS), dtype=np.float32)
        preferences = tastes @ traits.T
        # The first of exponential clocks with these rates are a draw without replacement, in proportion to the rates.
        clocks = generator.standard_exponential((len(users), n_items), dtype=np.float32)
        clocks *= np.exp(-(preferences + popularity))
        first = np.argpartition(clocks, counts[users].max() - 1, axis=1)[:, : counts[users].max()]
        order = np.argsort(np.take_along_axis(clocks, first, axis=1), axis=1)
        for row, one in enumerate(users):
            mine = first[row, order[row, : counts[one]]]
            place = slice(starts[one], starts[one] + counts[one])
            item[place], liking[place] = mine, preferences[row, mine]
    # Unrated items replace repeated ones.
    unrated = np.setdiff1d(np.arange(n_items), item)
    repeated = np.ones(n_ratings, dtype=bool)
    repeated[np.unique(item, return_index=True)[1]] = False
    item[generator.choice(np.flatnonzero(repeated), len(unrated), replace=False)] = unrated
    order = np.lexsort((item, user))
    return user, item[order], liking[order]


def _ratings_per_user(n_users: int, n_items: int, n_ratings: int, generator: Generator) -> np.ndarray:
    """Number of ratings of each user, int64 (n_users,): log-normal above the minimum, scaled to the sum."""
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
    """Index of each rating in STARS, int64."""
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
