"""All users are encoded, part by part; a run that was killed goes on, and ends in the same bytes."""

from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.config.serving import ServingSettings
from stages.run.errors import UserError
from stages.run.locks import locked
from stages.scale.engine import LOCAL
from stages.serving import in_parts
from stages.serving.encoding import histories as histories_module
from stages.serving.encoding.encoder import Encoder
from stages.serving.encoding.histories import pieces_of, read_histories
from stages.serving.encoding.parts import part, read_codes, read_part
from stages.serving.encoding.resumable import encode_histories
from stages.serving.in_parts import Part
from stages.serving.listing import list_histories
from tests.serving.encoding.packages import drawn_package

PACKAGE = drawn_package()
SCORING = ServingSettings(rows=[], seed=0, scorer="auto", memory=1)
N_USERS = 500
CONTEXT = get_context("fork")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories_module, "USERS_AT_ONCE", 25)
    monkeypatch.setattr(in_parts, "ROWS_PER_PART", {"items": 100, "item": 100})


@pytest.fixture
def histories(tmp_path: Path) -> Path:
    """Every tenth user has only items that the package does not know."""
    return written(tmp_path / "histories.parquet", np.random.default_rng(0).permutation(N_USERS).tolist())


def written(path: Path, users: list[int] | list[str], seed: int = 0) -> Path:
    draws = np.random.default_rng(seed)
    items = [
        draws.integers(500, 510, 3) if number % 10 == 0 else 100 + 3 * draws.integers(0, 30, 5)
        for number in range(len(users))
    ]
    pq.write_table(pa.table({"user": users, "items": pa.array(items)}), path)
    return path


def encode(histories: Path, folder: Path) -> list[bool]:
    """Which parts were kept."""
    return [done.kept for done in encode_histories(histories, PACKAGE, folder) if isinstance(done, Part)]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.mark.parametrize("text", [False, True])
def test_parts_hold_the_codes_of_the_encoder_and_mark_who_has_none(tmp_path: Path, text: bool) -> None:
    ids = [f"user {number}" for number in range(N_USERS)] if text else list(range(N_USERS))
    histories = written(tmp_path / "histories.parquet", ids)
    assert encode(histories, tmp_path / "codes") == [False] * 5
    found, package = read_codes(tmp_path / "codes")
    right = np.concatenate([
        Encoder(PACKAGE).encode(batch.interactions) for batch in read_histories(pieces_of(histories), PACKAGE.items.ids)
    ])  # fmt: skip
    assert package == PACKAGE.digest
    assert found.users.to_pylist() == ids
    assert found.has_code.tolist() == [number % 10 != 0 for number in range(N_USERS)]
    np.testing.assert_array_equal(found.codes[found.has_code], right[found.has_code])
    assert not found.codes[~found.has_code].any()


def test_a_part_is_a_table_that_anyone_can_read(histories: Path, tmp_path: Path) -> None:
    encode(histories, tmp_path / "codes")
    table = pq.read_table(part(tmp_path / "codes", 0))
    assert table.schema.names == ["user", "code", "known", "unknown"]
    assert table.schema.types == [pa.int64(), pa.binary(3), pa.int32(), pa.int32()]
    assert table.schema.metadata[b"package"].decode() == PACKAGE.digest
    assert table["code"].null_count == 10
    assert table["known"].to_pylist()[0] == 0
    assert 1 <= table["unknown"].to_pylist()[0] <= 3


def test_finished_parts_are_kept_and_damaged_ones_made_again(histories: Path, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    encode(histories, folder)
    right = contents(folder)
    part(folder, 1).unlink()
    part(folder, 3).write_bytes(right["part-00003.parquet"][:-100])
    assert encode(histories, folder) == [True, False, True, False, True]
    assert contents(folder) == right


def test_parts_stay_where_other_files_of_the_histories_change(tmp_path: Path) -> None:
    histories, folder = tmp_path / "histories", tmp_path / "codes"
    histories.mkdir()
    for name, first in (("a", 0), ("b", 100)):
        written(histories / name, list(range(first, first + 100)))
    assert encode(histories, folder) == [False, False]
    written(histories / "b", list(range(300, 400)))
    written(histories / "c", list(range(200, 250)))
    assert encode(histories, folder) == [True, False, False]
    assert encode(histories, tmp_path / "afresh") == [False] * 3
    assert contents(folder) == contents(tmp_path / "afresh")


def test_parts_of_other_histories_are_made_again_and_those_too_many_removed(histories: Path, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    encode(histories, folder)
    fewer = written(tmp_path / "fewer.parquet", list(range(150)), seed=1)
    assert encode(fewer, folder) == [False, False]
    assert read_codes(folder)[0].users.to_pylist() == list(range(150))


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes(
    histories: Path, tmp_path: Path, seed: int
) -> None:
    encode(histories, tmp_path / "right")
    folder = tmp_path / "codes"
    process = CONTEXT.Process(target=encode, args=(histories, folder))
    process.start()
    process.join(Random(seed).random() * 0.2)  # noqa: S311
    process.kill()
    process.join()
    encode(histories, folder)
    assert contents(folder) == contents(tmp_path / "right")


def test_a_folder_that_is_not_whole_is_said(histories: Path, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    with pytest.raises(UserError, match="there are no codes"):
        read_codes(folder)
    encode(histories, folder)
    part(folder, 4).unlink()
    with pytest.raises(UserError, match=r"is not whole: part-00004.parquet is missing; encode"):
        read_codes(folder)
    part(folder, 0).unlink()
    with pytest.raises(UserError, match=r"is not whole: part-00000.parquet is missing"):
        read_codes(folder)


def test_parts_of_two_packages_never_mix(histories: Path, tmp_path: Path) -> None:
    other = PACKAGE.__class__(PACKAGE.row, "e" * 64, PACKAGE.encoder, PACKAGE.quantizer, PACKAGE.items)
    encode(histories, tmp_path / "one")
    list(encode_histories(histories, other, tmp_path / "other"))
    part(tmp_path / "other", 2).replace(part(tmp_path / "one", 2))
    with pytest.raises(UserError, match=f"of the package {'e' * 64}, and the part before it of {'d' * 64}"):
        read_codes(tmp_path / "one")


def test_a_part_that_is_damaged_is_said(histories: Path, tmp_path: Path) -> None:
    path = part(tmp_path / "codes", 0)
    encode(histories, path.parent)
    content = bytearray(path.read_bytes())
    content[60] ^= 1  # in the first page
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is no part of codes, or damaged .*; encode its users again"):
        read_part(path)


def test_a_user_at_two_places_is_said(tmp_path: Path) -> None:
    histories = tmp_path / "histories.parquet"
    pq.write_table(pa.table({"user": [1, 1, 2, 1], "item": [100, 103, 100, 106]}), histories)
    with pytest.raises(UserError, match=r"users of .*: 1 stands there more than once"):
        encode(histories, tmp_path / "codes")


def test_histories_of_nobody_are_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user": pa.array([], pa.int64()), "item": pa.array([], pa.int64())}), tmp_path / "none")
    with pytest.raises(UserError, match="holds no users"):
        encode(tmp_path / "none", tmp_path / "codes")


def test_codes_go_to_a_folder_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "histories"
    folder.mkdir()
    histories = written(part(folder, 0), list(range(9)))
    for source, out in ((folder, folder), (folder, folder / "codes"), (histories, folder)):
        with pytest.raises(UserError, match=r"can't go to .*; give a folder of its own"):
            encode(source, out)
    assert [path.name for path in folder.iterdir()] == [histories.name]


def test_only_one_process_encodes_into_a_folder(histories: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "codes"), pytest.raises(UserError, match="is being written by process"):
        encode(histories, tmp_path / "codes")


def test_codes_never_replace_lists(histories: Path, tmp_path: Path) -> None:
    list(list_histories(histories, PACKAGE, 2, SCORING, tmp_path / "lists", LOCAL))
    before = contents(tmp_path / "lists")
    with pytest.raises(UserError, match="is something else, and would be replaced"):
        encode(histories, tmp_path / "lists")
    assert contents(tmp_path / "lists") == before


def test_lists_are_no_codes(histories: Path, tmp_path: Path) -> None:
    list(list_histories(histories, PACKAGE, 2, SCORING, tmp_path / "lists", LOCAL))
    with pytest.raises(UserError, match=r"is no part of codes, or damaged \('it has no column code'\); encode"):
        read_codes(tmp_path / "lists")


def test_parts_of_something_else_are_not_replaced(histories: Path, tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    mine = written(part(tmp_path / "codes", 0), [1, 2])
    before = mine.read_bytes()
    with pytest.raises(UserError, match=r"part-00000\.parquet is something else, and would be replaced; give an empty"):
        encode(histories, tmp_path / "codes")
    assert mine.read_bytes() == before
