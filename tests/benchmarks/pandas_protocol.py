"""The protocol in plain pandas, as in the notebook of Liang et al. 2018: read, filter, group, split, number, write.

Without the notebook's inspection of the data; and numbers by merge, where the notebook looks up every row in Python.

python tests/benchmarks/pandas_protocol.py data/ml-20m-rehearsal/raw/synthetic.zip synthetic/ratings.csv 10000 OUT
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd


def main(archive: str, member: str, n_held_out_users: int, out: Path) -> None:
    with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
        ratings = pd.read_csv(stream)
    ratings = ratings[ratings["rating"] > 3.5]
    per_user = ratings.groupby("userId").size()
    ratings = ratings[ratings["userId"].isin(per_user.index[per_user >= 5])]
    users = ratings.groupby("userId").size().index

    np.random.seed(98765)
    users = users[np.random.permutation(users.size)]
    n_train = users.size - 2 * n_held_out_users
    train = ratings.loc[ratings["userId"].isin(users[:n_train])]
    items = pd.unique(train["movieId"])
    parts = {"train": train}
    for name, first in [("validation", n_train), ("test", n_train + n_held_out_users)]:
        part = ratings.loc[ratings["userId"].isin(users[first : first + n_held_out_users])]
        parts[f"{name}_tr"], parts[f"{name}_te"] = hold_out(part.loc[part["movieId"].isin(items)])

    user_numbers = pd.DataFrame({"userId": users, "uid": np.arange(len(users))})
    item_numbers = pd.DataFrame({"movieId": items, "sid": np.arange(len(items))})
    for name, part in parts.items():
        numbered = part.merge(user_numbers, on="userId").merge(item_numbers, on="movieId")
        numbered[["uid", "sid"]].to_csv(out / f"{name}.csv", index=False)
    (out / "unique_sid.txt").write_text("".join(f"{item}\n" for item in items))


def hold_out(data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fold-in and held-out (the notebook's split_train_test_proportion)."""
    np.random.seed(98765)
    fold_in, held_out = [], []
    for _, group in data.groupby("userId"):
        n = len(group)
        if n >= 5:
            chosen = np.zeros(n, dtype="bool")
            chosen[np.random.choice(n, size=int(0.2 * n), replace=False).astype("int64")] = True
            fold_in.append(group[np.logical_not(chosen)])
            held_out.append(group[chosen])
        else:
            fold_in.append(group)
    return pd.concat(fold_in), pd.concat(held_out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
