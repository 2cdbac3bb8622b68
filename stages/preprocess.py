"""Turn ratings into a sparse split: filter, split by users, fold-in and held-out.

python -m stages.preprocess --dataset ml-latest-small
"""

import sys
from shutil import rmtree

import numpy as np

from stages.config.reader import read_params
from stages.interactions.formats import reader_of, titles_of
from stages.interactions.protocol.description import describe
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import read_interactions
from stages.interactions.protocol.spill import Spill
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interfaces.split import HELD_OUT_SETS, save_split
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.facts import recorded
from stages.run.files import files, whole_folder
from stages.run.json_files import write_json
from stages.run.memory import share_memory_with_arrow

FEWEST_TO_COMPARE = 10
"""Users; intervals over fewer say next to nothing, and over one there are none."""


def preprocess(dataset: Dataset) -> None:
    """Read a data set's ratings, and write its split."""
    params = read_params()
    settings, scale = params.dataset(dataset), params.scale
    wanted = settings.split
    raw = paths.raw(dataset, settings.source.name)
    if not raw.exists():
        raise UserError(f"there are no ratings at {raw}; run the stage download first")
    share_memory_with_arrow()
    with recorded(dataset, "preprocess"), whole_folder(paths.split(dataset)) as folder:
        parts = folder / "parts"
        parts.mkdir()
        interactions, counts = read_interactions(
            files(raw),
            reader_of(settings.format),
            wanted.threshold,
            Minimums(wanted.min_user_interactions, wanted.min_item_interactions, core=wanted.filter == "core"),
            by_time=wanted.kind == "time",
            cut=wanted.cut,
            spill=None if scale.parts == 1 else Spill(parts, scale.parts, scale),
        )
        split = split_strong_generalization(interactions, wanted.held_out_users, wanted.held_out_share, wanted.seed)
        description = describe(counts, interactions, split)
        save_split(
            folder,
            split,
            interactions.of_users()[np.searchsorted(interactions.users, split.users)],
            interactions.of_items()[np.searchsorted(interactions.items, split.items)],
            titles_of(settings.format, raw),
        )
        write_json(description, folder / "protocol.json")
        rmtree(parts)
    for name, value in description.items():
        print(f"{value:>12,} {name}" if isinstance(value, int) else f"{name} {value}")
    if counts.superseded_ratings:
        print(f"note: {counts.superseded_ratings:,} ratings were left out, as the same user rated the same item later")
    for name in HELD_OUT_SETS:
        n_scored = len(getattr(split, name).scored())
        if n_scored < FEWEST_TO_COMPARE:
            print(
                f"WARNING: only {n_scored} of {wanted.held_out_users:,} {name} users have held-out items, too few to "
                f"compare models by; raise held_out_users in params.yaml, or use more ratings",
                file=sys.stderr,
            )
    if settings.published:
        for difference in settings.published.differences(description):
            print(f"WARNING: this is not the published split: {difference}", file=sys.stderr)


if __name__ == "__main__":
    run(preprocess)
