"""Entries under datasets: a wrong one is said by its path."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.config.dataset import FileSource
from stages.config.params import Params

OWN = """
  mine:
    title: Mine
    source: {kind: file, path: log.csv}
    format: {kind: csv, ids: string, columns: {user: u, item: i}}
    split: {min_user_interactions: 5, held_out_users: 10, held_out_share: 0.2, seed: 98765}
    training: {batch_size: 100, epochs: 10}
"""
SYNTHETIC_LOG = "kind: parquet\n      columns: { user: user, item: item, timestamp: timestamp }"
WRONG_FORMAT = (
    "datasets.rehearsal-66m: format must be kind: parquet, columns: {user: user, item: item, timestamp: timestamp} "
    "for a synthetic-log"
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("threshold: 3.5 #", "threshold: high #", "datasets.ml-latest-small.split.threshold: Input should be a valid"),
        ("      kind: file #", "      kind: files #", "datasets.ml-latest-small.source.kind: 'files' is none of"),
        ("      path: data", "      urls: [https://x]\n      path: data", "source.urls: does not belong here"),
        ("      size: 972389 # bytes\n", "", "datasets.ml-latest-small.source: give both size and sha256, or neither"),
        ("kind: movielens #", "kind: excel #", "datasets.ml-latest-small.format.kind: 'excel' is none of"),
        (
            "ratings.csv #",
            "scores.csv #",
            "datasets.ml-latest-small.format.member: must be ratings.csv, ratings.dat or u.data",
        ),
        ("threshold: 3.5 #", "threshold: null #", "datasets.ml-latest-small.split: threshold is missing"),
        ("ratings: 20000263\n      seed", "ratings: 2\n      seed", "source: ratings must be from 138,493 to"),
        (
            "    title: a rehearsal of MovieLens-20M\n",
            "    title: a rehearsal\n    compare_with_paper: true\n",
            "ml-20m-rehearsal: compare_with_paper must be false: the source is synthetic",
        ),
        (
            "    title: a rehearsal of 66 million users\n",
            "    title: a rehearsal\n    compare_with_paper: true\n",
            "rehearsal-66m: compare_with_paper must be false: the source is synthetic",
        ),
        (SYNTHETIC_LOG, "kind: parquet\n      columns: { user: who, item: item }", WRONG_FORMAT),
        (SYNTHETIC_LOG, "kind: csv\n      ids: integer\n      columns: { user: user, item: item }", WRONG_FORMAT),
        ("items: 500000 ", "items: 50 ", "datasets.rehearsal-66m.source.items: Input should be greater than"),
        (
            "      users: 571355\n      items_in_train: 41140\n",
            "",
            "datasets.msd.published: give a count or a digest of the split, or leave out published",
        ),
        (
            "    split: # all",
            "    compare_with_paper: true\n    split:\n      kind: time # all",
            "datasets.ml-latest-small: compare_with_paper must be false: the split is by time, the paper's is not",
        ),
    ],
)
def test_a_wrong_entry_is_said_by_its_path(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint_after(old, new)


def test_git_leaves_alone_what_the_catalogue_reads_from_here_but_for_the_bundled_archive(params: Params) -> None:
    sources = [entry.source for entry in params.datasets.values() if isinstance(entry.source, FileSource)]
    not_ours = [f"{source.path}/train.txt" for source in sources if not source.path.startswith("data/sample/")]
    ignored = subprocess.run(
        ["git", "check-ignore", *not_ours], cwd=Path(__file__).parent / "../..", capture_output=True, text=True
    )
    assert ignored.stdout.split() == not_ours != []


def test_an_entry_for_own_data_is_short(committed: str, read: Callable[[str], Params]) -> None:
    assert read(with_own_data(committed)).dataset("mine").split.threshold is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("user: u,", "user: u, rating: r,", "datasets.mine.split: threshold is missing"),
        (
            "split: {",
            "split: {threshold: 3.0, ",
            "datasets.mine.split: threshold is given, but format names no column with a rating",
        ),
        ("user: u,", "user: 1,", "datasets.mine.format.columns: give names for all columns, or positions for all"),
        ("user: u,", "user: i,", "datasets.mine.format.columns: a column is named twice"),
        ("user: u,", "", "datasets.mine.format.columns.user: is missing"),
        (
            "kind: csv, ids: string, columns: {user: u, item: i}}\n    split: {",
            "kind: lightgcn}\n    split: {threshold: 3.0, ",
            "datasets.mine.split: threshold is given, but format names no column with a rating",
        ),
        (
            "kind: csv, ids: string, columns: {user: u, item: i}}\n    split: {",
            "kind: lightgcn}\n    split: {kind: time, ",
            "datasets.mine.split: kind is time, but format names no column with a time",
        ),
        ("user: u,", "user: u, when: t,", "datasets.mine.format.columns.when: unknown key"),
        ("kind: csv, ids: string,", "kind: parquet, ids: string,", "datasets.mine.format.ids: does not belong here"),
        (
            "kind: csv, ids: string, columns: {user: u, item: i}",
            "kind: parquet, columns: {user: 1, item: 2}",
            "datasets.mine.format.columns: columns have names in these files, no positions",
        ),
        ("ids: string", "ids: words", "datasets.mine.format.ids: Input should be 'integer' or 'string'"),
        (
            "kind: csv,",
            "kind: csv, separator: ab,",
            "datasets.mine.format.separator: must be one sign of ASCII such as",
        ),
        ("kind: csv,", r"kind: csv, separator: '\t',", "datasets.mine.format.separator: must be one sign of ASCII"),
        ("user: u,", "user: 0,", "datasets.mine.format.columns.user: must be the name of a column, or its position"),
        ("user: u,", "user: true,", "datasets.mine.format.columns.user: must be the name of a column, or its pos"),
        ("held_out_share: 0.2, ", "", "datasets.mine.split: held_out_share is missing"),
        ("split: {", "split: {kind: item, ", "datasets.mine.split.kind: Input should be 'users' or 'time'"),
        ("split: {", "split: {filter: twice, ", "datasets.mine.split.filter: Input should be 'once' or 'core'"),
        ("split: {", "split: {min_item_interactions: 0, ", "datasets.mine.split.min_item_interactions: Input should"),
        (
            "split: {",
            "split: {kind: time, ",
            "datasets.mine.split: kind is time, but format names no column with a time",
        ),
        ("split: {", "split: {cut: 5, ", "datasets.mine.split: cut is given, but kind is not time; set kind to time"),
        ("split: {", "split: {kind: time, cut: 5, ", "datasets.mine.split: held_out_share is given, but with a cut"),
        ("split: {", "split: {cut: '2026-02-31', ", "datasets.mine.split.cut: '2026-02-31' is no date; write it like"),
        ("split: {", "split: {cut: 2026-10-01, ", "datasets.mine.split.cut: put the date in quotes: '2026-10-01'"),
        ("split: {", "split: {cut: true, ", "datasets.mine.split.cut: must be a date or a number"),
        ("split: {", "split: {cut: [1], ", "datasets.mine.split.cut: must be a date or a number"),
        ("split: {", "split: {cut: .inf, ", "datasets.mine.split.cut: must be a date or a number"),
    ],
)
def test_a_wrong_entry_for_own_data_is_said_by_its_path(
    committed: str, complaint: Callable[[str], str], old: str, new: str, expected: str
) -> None:
    assert old in OWN
    assert expected in complaint(with_own_data(committed, OWN.replace(old, new)))


@pytest.mark.parametrize("cut", ["'2026-10-01'", "'2026-10-01T12:00:00+02:00'", "1790812800", "-1.5"])
def test_a_split_by_time_has_a_share_or_a_cut(cut: str, committed: str, read: Callable[[str], Params]) -> None:
    by_time = OWN.replace("item: i}", "item: i, timestamp: t}").replace("split: {", "split: {kind: time, ")
    assert read(with_own_data(committed, by_time)).dataset("mine").split.cut is None
    at_cut = by_time.replace("held_out_share: 0.2", f"cut: {cut}")
    assert str(read(with_own_data(committed, at_cut)).dataset("mine").split.cut) == cut.strip("'")


def with_own_data(committed: str, entry: str = OWN) -> str:
    return committed.replace("\ndevice: auto", entry + "\ndevice: auto")


def test_a_split_that_is_not_as_published_differs_by_name(params: Params) -> None:
    published = params.dataset("ml-20m").published
    assert published is not None
    counts = published.values()
    assert published.differences(counts) == []
    assert published.differences(counts | {"items": 5}) == [f"items is 5, published {published.items}"]


def test_where_only_some_counts_are_published_the_others_may_be_anything(params: Params) -> None:
    published = params.dataset("msd").published
    assert published is not None
    counts: dict[str, int | str] = {"users": 571_355, "items": 3, "items_in_train": 41_140, "ratings": 2}
    assert published.differences(counts) == []
    assert published.differences(counts | {"users": 5}) == ["users is 5, published 571355"]
