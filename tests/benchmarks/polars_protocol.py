"""The protocol in plain polars, as `pandas_protocol.py` has it in pandas; Python unzips.

python tests/benchmarks/polars_protocol.py data/ml-20m-rehearsal/raw/synthetic.zip synthetic/ratings.csv 10000 OUT
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl


def main(archive: str, member: str, n_held_out_users: int, out: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        ratings = pl.read_csv(opened.read(member), columns=["userId", "movieId", "rating"])
    ratings = ratings.filter(pl.col("rating") > 3.5)
    enough = ratings.group_by("userId").len().filter(pl.col("len") >= 5)["userId"].sort()

    np.random.seed(98765)
    users = enough.to_numpy()[np.random.permutation(len(enough))]
    n_train = len(users) - 2 * n_held_out_users
    user_numbers = pl.DataFrame({"userId": users, "uid": np.arange(len(users))})
    ratings = ratings.join(user_numbers, on="userId", maintain_order="left")
    items = ratings.filter(pl.col("uid") < n_train)["movieId"].unique(maintain_order=True)
    item_numbers = pl.DataFrame({"movieId": items, "sid": np.arange(len(items))})
    ratings = ratings.join(item_numbers, on="movieId", maintain_order="left")
    parts = {"train": ratings.filter(pl.col("uid") < n_train)}
    for name, first in [("validation", n_train), ("test", n_train + n_held_out_users)]:
        part = ratings.filter(pl.col("uid").is_between(first, first + n_held_out_users, closed="left"))
        part = part.sort("userId", maintain_order=True)
        np.random.seed(98765)
        held_out = np.zeros(len(part), dtype=bool)
        start = 0
        for n in part.group_by("userId", maintain_order=True).len()["len"].to_list():
            if n >= 5:
                held_out[start + np.random.choice(n, size=int(0.2 * n), replace=False)] = True
            start += n
        parts |= {f"{name}_tr": part.filter(~held_out), f"{name}_te": part.filter(held_out)}

    for name, part in parts.items():
        part.select("uid", "sid").write_csv(out / f"{name}.csv")
    (out / "unique_sid.txt").write_text("".join(f"{item}\n" for item in items))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
