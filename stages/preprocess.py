"""From the archive to sparse splits: filter, split by users, fold-in and held-out.

python -m stages.preprocess --dataset ml-latest-small
"""

import json

from stages import paths
from stages.command_line import Dataset, run
from stages.errors import UserError
from stages.interactions.ratings import read_ratings
from stages.interactions.split import find_interactions, split_strong_generalization
from stages.interactions.storage import save_split
from stages.params import read_params
from stages.records import recorded


def preprocess(dataset: Dataset) -> None:
    """Read a data set's ratings and write its interactions and splits."""
    settings = read_params().dataset(dataset)
    archive = paths.archive(dataset)
    if not archive.exists():
        raise UserError(f"there is no archive at {archive}; run the stage download first")
    with recorded(paths.record(dataset, "preprocess")):
        ratings = read_ratings(archive, settings.member)
        interactions = find_interactions(ratings, settings.split.threshold, settings.split.min_user_interactions)
        split = split_strong_generalization(
            interactions, settings.split.held_out_users, settings.split.held_out_share, settings.split.seed
        )
        counts = {
            "ratings": len(ratings),
            "interactions": len(interactions),
            "users": len(split.users),
            "items": int(interactions["item"].nunique()),
            "train users": split.train.shape[0],
            "train interactions": split.train.nnz,
            "items in train": len(split.items),
            "validation held-out": split.validation.held_out.nnz,
            "test held-out": split.test.held_out.nnz,
        }
        with paths.whole_folder(paths.split(dataset)) as folder:
            interactions.to_parquet(folder / "interactions.parquet", index=False)
            save_split(folder, split)
            (folder / "counts.json").write_text(json.dumps(counts, indent=2) + "\n")
    for name, count in counts.items():
        print(f"{count:>12,} {name}")


if __name__ == "__main__":
    run(preprocess)
