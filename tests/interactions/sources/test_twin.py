"""The split of the twin of MovieLens-20M, by the pipeline and taken one interaction at a time."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.interactions.formats import reader_of
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import read_interactions
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interactions.sources.synthetic import write_synthetic
from stages.interfaces.split import Split, load_split
from tests.interactions import literal
from tests.interactions.formats.layouts import layout
from tests.interactions.protocol.test_strong_generalization import pairs

MEMBER = "synthetic/ratings.csv"
DATA = Path(__file__).parents[2] / "data/ml-20m-rehearsal"


def rows(archive: Path) -> Iterator[tuple[int, int, float]]:
    with zipfile.ZipFile(archive) as opened, io.TextIOWrapper(opened.open(MEMBER)) as lines:
        for row in csv.DictReader(lines):
            yield int(row["userId"]), int(row["movieId"]), float(row["rating"])


def check(split: Split, archive: Path, held_out_users: int) -> None:
    users, items, train, parts = literal.split(rows(archive), 3.5, 5, held_out_users, 0.2, 98765)
    assert split.users.tolist() == users
    assert split.items.tolist() == items
    assert pairs(split.train) == train
    for part, (fold_in, held_out) in zip((split.validation, split.test), parts, strict=True):
        assert pairs(part.fold_in) == fold_in
        assert pairs(part.held_out) == held_out


def test_a_small_twin_is_split_to_the_letter(tmp_path: Path) -> None:
    archive = tmp_path / "synthetic.zip"
    write_synthetic(archive, n_users=800, n_items=500, n_ratings=40_000, seed=1)
    reader = reader_of(layout("movielens", member=MEMBER))
    interactions, _ = read_interactions([archive], reader, 3.5, Minimums(5))
    check(split_strong_generalization(interactions, 100, 0.2, 98765), archive, 100)


@pytest.mark.full_size
def test_the_full_size_twin_is_split_to_the_letter() -> None:
    """Takes a few minutes and 6 GB, after: dvc repro preprocess@ml-20m-rehearsal."""
    check(load_split(DATA / "split"), DATA / "raw/synthetic.zip", 10_000)
