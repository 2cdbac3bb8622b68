"""From ratings as they came to sparse splits: filter, split by users, fold-in and held-out.

python -m stages.preprocess --dataset ml-latest-small
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from stages.config import dataset as catalogue
from stages.config.params import read_params
from stages.interactions.formats.csv import read_csv
from stages.interactions.formats.movielens import layout_of, read_titles
from stages.interactions.formats.parquet import read_parquet
from stages.interactions.protocol.description import describe
from stages.interactions.protocol.interactions import read_interactions
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interfaces.split import save_split
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.records import recorded


def preprocess(dataset: Dataset) -> None:
    """Read a data set's ratings and write its splits."""
    settings = read_params().dataset(dataset)
    raw = paths.raw(dataset, settings.source.name)
    if not raw.exists():
        raise UserError(f"there are no ratings at {raw}; run the stage download first")
    with recorded(paths.record(dataset, "preprocess")):
        interactions, n_ratings, n_superseded = read_interactions(
            paths.files(raw), _reader(settings.format), settings.split.threshold, settings.split.min_user_interactions
        )
        split = split_strong_generalization(
            interactions, settings.split.held_out_users, settings.split.held_out_share, settings.split.seed
        )
        found = describe(n_ratings, n_superseded, interactions, split)
        titles = _titles(raw, settings.format)
        with paths.whole_folder(paths.split(dataset)) as folder:
            save_split(folder, split, interactions, titles)
            (folder / "protocol.json").write_text(json.dumps(found, indent=2) + "\n")
    for name, value in found.items():
        print(f"{value:>12,} {name}" if isinstance(value, int) else f"{name} {value}")
    if n_superseded:
        print(f"note: {n_superseded:,} ratings were left out, as the same user rated the same item later")
    if settings.published:
        for difference in settings.published.differences(found):
            print(f"WARNING: this is not the published split: {difference}", file=sys.stderr)


def _reader(layout: catalogue.Format) -> Callable[[Path], Iterator[pa.RecordBatch]]:
    match layout:
        case catalogue.MovieLensFormat():
            known = layout_of(layout.member)
            return partial(
                read_csv,
                columns=known.columns,
                separator=known.separator,
                id_type=pa.int64(),
                member=layout.member,
            )
        case catalogue.CsvFormat():
            return partial(
                read_csv,
                columns=layout.columns.given(),
                separator=layout.separator,
                id_type=pa.int64() if layout.ids == "integer" else pa.string(),
                member=layout.member,
            )
        case catalogue.ParquetFormat():
            names = {name: str(column) for name, column in layout.columns.given().items()}
            return partial(read_parquet, columns=names)


def _titles(raw: Path, layout: catalogue.Format) -> dict[int, str]:
    return read_titles(raw, layout.member) if isinstance(layout, catalogue.MovieLensFormat) else {}


if __name__ == "__main__":
    run(preprocess)
