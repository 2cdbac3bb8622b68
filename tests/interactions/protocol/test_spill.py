"""A log in parts on disk gives the split that it gives in memory, byte for byte."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from stages.interactions.formats import reader_of
from stages.interactions.formats.reading import Reader
from stages.interactions.protocol.description import Description, describe
from stages.interactions.protocol.filters import Minimums
from stages.interactions.protocol.interactions import read_interactions
from stages.interactions.protocol.spill import Spill
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from stages.interfaces.split import save_split
from stages.run.errors import UserError
from tests.interactions.formats.layouts import layout
from tests.interactions.made_up import LogInMemory

Written = tuple[dict[str, bytes], Description]
ONCE = Minimums(2)


def written(
    files: list[Path], reader: Reader, n_parts: int | None, minimums: Minimums, by_time: bool, cut: int | str | None
) -> Written:
    """The files of the split, and what it says of itself; n_parts : None is in memory."""
    threshold = 3.5 if "rating" in reader.names else None
    with TemporaryDirectory() as name:
        folder, spill = Path(name), None if n_parts is None else Spill(Path(name), n_parts)
        interactions, counts = read_interactions(files, reader, threshold, minimums, by_time, cut, spill)
        split = split_strong_generalization(interactions, 2, None if cut else 0.3, 5)
        of_users = interactions.of_users()[np.searchsorted(interactions.users, split.users)]
        of_items = interactions.of_items()[np.searchsorted(interactions.items, split.items)]
        (folder / "split").mkdir()
        save_split(folder / "split", split, of_users, of_items, {})
        content = {path.name: path.read_bytes() for path in (folder / "split").iterdir()}
        return content, describe(counts, interactions, split)


def random_log(seed: int, n_rows: int, text: bool, borders: list[int], sort: bool) -> LogInMemory:
    """With ties, repeated pairs, ratings below the threshold, and empty files."""
    generator = np.random.default_rng(seed)
    user, item = (generator.integers(n, size=n_rows) for n in (15, 25))
    if sort:
        order = np.lexsort((item, user))
        user, item = user[order], item[order]
    rows = pa.record_batch(
        {
            "user": [f"u{number}" for number in user] if text else user * 10**12 - 7,
            "item": [f"ä{number}" for number in item] if text else item,
            "rating": generator.choice([3.0, 4.0, 5.0], size=n_rows),
            "timestamp": generator.integers(6, size=n_rows),
        }
    )
    ends = [0, *sorted(min(border, n_rows) for border in borders), n_rows]
    return LogInMemory(*(rows.slice(start, end - start) for start, end in pairwise(ends)))


@given(
    log=st.builds(
        random_log,
        seed=st.integers(0, 10**6),
        n_rows=st.integers(50, 400),
        text=st.booleans(),
        borders=st.lists(st.integers(0, 400), max_size=3),
        sort=st.booleans(),
    ),
    n_parts=st.integers(1, 20),
    minimums=st.builds(Minimums, of_user=st.integers(1, 5), of_item=st.integers(1, 5), core=st.booleans()),
    time=st.sampled_from([(False, None), (True, None), (True, 3)]),
)
@settings(max_examples=200, deadline=None)
def test_the_files_and_counts_are_the_same_in_however_many_parts(
    log: LogInMemory, n_parts: int, minimums: Minimums, time: tuple[bool, int | None]
) -> None:
    def outcome(n_parts: int | None) -> Written | str:
        try:
            return written(log.paths, log, n_parts, minimums, *time)
        except UserError as error:
            return str(error)

    assert outcome(n_parts) == outcome(None)


def test_where_the_order_of_rows_means_nothing(tmp_path: Path) -> None:
    lines = [f"{user} {' '.join(str(user * item % 11) for item in range(2, 9))}\n" for user in range(12)]
    files = [tmp_path / "train.txt", tmp_path / "test.txt"]
    for file, some in zip(files, (lines[7:], lines[:7]), strict=True):
        file.write_text("".join(some))
    reader = reader_of(layout("lightgcn"))
    assert written(files, reader, 5, ONCE, False, None) == written(files, reader, None, ONCE, False, None)


def test_dates_and_a_cut(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    rows = [f"{user},{item},5,2026-10-0{1 + (user + item) % 5}" for user in range(9) for item in range(12)]
    file.write_text("\n".join(["userId,movieId,rating,timestamp", *rows]))
    reader = reader_of(layout("csv"))
    splits = [written([file], reader, n_parts, ONCE, True, "2026-10-04") for n_parts in (None, 4)]
    assert splits[0] == splits[1]


def test_of_a_user_in_several_files_all_rows_are_in_one_part() -> None:
    rows = pa.record_batch({"user": np.arange(300) % 100, "item": np.arange(300)})
    log = LogInMemory(*(rows.slice(start, 50) for start in range(0, 300, 50)))
    with TemporaryDirectory() as folder:
        interactions, _ = read_interactions(log.paths, log, None, Minimums(1), spill=Spill(Path(folder), 3))
        users = list(interactions.parts.each(lambda rows: set(rows.user.tolist())))
    assert len(users) == 3
    assert sum(map(len, users)) == len(set.union(*users)) == 100


@pytest.mark.parametrize("kinds", [([1], ["a"]), ([1], [])])
def test_what_is_wrong_with_a_log_is_said_as_in_memory(
    kinds: tuple[list[object], list[object]], tmp_path: Path
) -> None:
    parts = [pa.record_batch({"user": user, "item": pa.array(range(len(user)))}) for user in kinds]
    log = LogInMemory(*parts)
    with pytest.raises(UserError) as in_memory:
        read_interactions(log.paths, log, None, Minimums(2))
    with pytest.raises(UserError) as in_parts:
        read_interactions(log.paths, log, None, Minimums(2), spill=Spill(tmp_path, 2))
    assert str(in_parts.value) == str(in_memory.value)


OPEN_FILES = """
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from stages.interactions.protocol.spill import allow_open_files
from stages.run.errors import UserError

setrlimit(RLIMIT_NOFILE, (200, 1000))
allow_open_files(500)
print(getrlimit(RLIMIT_NOFILE)[0])
try:
    allow_open_files(5000)
except UserError as error:
    print(error)
"""


def test_as_many_files_may_be_open_as_there_are_parts_or_it_is_said() -> None:
    ended = subprocess.run([sys.executable, "-c", OPEN_FILES], capture_output=True, text=True, check=True)
    raised, said = ended.stdout.splitlines()
    assert raised == "600"
    assert said.startswith(
        "scale.parts in params.yaml is 5,000, which takes as many open files; the system allows 1,000 of them"
    )


def test_more_pairs_than_int32_can_number(monkeypatch: pytest.MonkeyPatch) -> None:
    log = random_log(1, 400, text=False, borders=[], sort=False)

    def matrix() -> csr_array:
        with TemporaryDirectory() as name:
            interactions, _ = read_interactions(log.paths, log, 3.5, ONCE, spill=Spill(Path(name), 3))
            return interactions.parts.matrix(15, 25).copy()

    few = matrix()
    monkeypatch.setattr("stages.interactions.protocol.parts.MOST_INT32", 10)
    many = matrix()
    assert few.indices.dtype == np.int32
    assert many.indices.dtype == np.int64
    np.testing.assert_array_equal(many.toarray(), few.toarray())
