"""A made-up log of any size, in time order, for timings: written in flat memory, and never for results."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

ROWS_PER_FILE = 10_000_000
TASTES = 64
OWN_TASTE = 0.5  # share of rows that follow the taste of their user, and not what everybody likes
ACTIVITY, POPULARITY = 2, 4  # tails: the share u of the most active users has the share u^(1 / 2) of the rows
PERIOD = (1_600_000_000, 1_700_000_000)  # seconds, of the first and of the last row
SPREAD = 0x9E3779B1  # a prime near 2³² over the golden ratio: multiples of it, modulo another number, look drawn


def write_made_up_log(folder: Path, n_users: int, n_items: int, n_rows: int, seed: int) -> None:
    """Write files of Parquet with columns user, item (int64) and timestamp (int64, seconds), all in time order.

    Users and items have long tails, each user one of some tastes, and pairs come again, as in logs of plays. Every file
    has its own generator.

    Parameters
    ----------
    folder : an existing folder
    n_users, n_items : that there may be; the least active ones may have no row
    """
    for number in tqdm(range(0, n_rows, ROWS_PER_FILE), disable=None, leave=False, unit="file"):
        generator = np.random.default_rng([seed, number])
        size = min(ROWS_PER_FILE, n_rows - number)
        user = (n_users * generator.random(size) ** ACTIVITY).astype(np.int64)
        item = (n_items * generator.random(size) ** POPULARITY).astype(np.int64)
        shift = (user % TASTES + 1) * (n_items // (TASTES + 1)) * (generator.random(size) < OWN_TASTE)
        first, last = (PERIOD[0] + (PERIOD[1] - PERIOD[0]) * rows / n_rows for rows in (number, number + size))
        table = pa.table(
            {
                "user": user * SPREAD % n_users,
                "item": (item + shift) % n_items * SPREAD % n_items,
                "timestamp": np.sort(generator.integers(int(first), int(last) + 1, size)),
            }
        )
        pq.write_table(table, folder / f"part-{number // ROWS_PER_FILE:05}.parquet", compression="zstd")
