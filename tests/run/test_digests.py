"""A file is read only if its bytes are those that its stage wrote."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.run.digests import checked, write_digests
from stages.run.errors import UserError
from stages.run.files import whole_folder
from tests.damage import DAMAGES, Damage, sealed

CONTENT = b"what the stage wrote"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a model with two seeds."""
    with whole_folder(tmp_path / "models" / "dae") as folder:
        (folder / "row").mkdir()
        (folder / "row" / "0.pt").write_bytes(CONTENT)
        (folder / "row" / "1.pt").write_bytes(CONTENT[::-1])
    return tmp_path / "models" / "dae"


def test_a_finished_folder_has_the_digest_of_each_file_under_the_folders_name(folder: Path) -> None:
    assert json.loads((folder / "digests.json").read_text()) == {
        "dae/row/0.pt": hashlib.sha256(CONTENT).hexdigest(),
        "dae/row/1.pt": hashlib.sha256(CONTENT[::-1]).hexdigest(),
    }


def test_the_same_files_have_the_same_digests_in_whatever_order_they_were_written(tmp_path: Path) -> None:
    for name, order in (("one", "abc"), ("other", "cab")):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_text(file)
        write_digests(tmp_path / name, "name")
    assert (tmp_path / "one" / "digests.json").read_bytes() == (tmp_path / "other" / "digests.json").read_bytes()


def test_a_folder_of_the_users_own_files_gets_none(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "raw", with_digests=False) as folder:
        (folder / "part.csv").write_text("1,2")
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["part.csv"]


def test_a_file_as_it_was_written_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with checked(folder / "row" / "0.pt", "train") as file:
        assert file.read() == CONTENT
    monkeypatch.chdir(folder)
    with checked(Path("row/0.pt"), "train") as file:
        assert file.read() == CONTENT


def test_a_file_that_takes_the_place_of_a_checked_one_is_not_read(folder: Path) -> None:
    with checked(folder / "row" / "0.pt", "train") as file:
        (folder / "row" / "1.pt").replace(folder / "row" / "0.pt")
        assert file.read() == CONTENT


@given(content=st.binary(min_size=1), damage=DAMAGES)
@settings(deadline=None)
def test_any_other_bytes_are_refused(content: bytes, damage: Damage, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("folder") / "file"
    path.write_bytes(content)
    sealed(path).write_bytes(damage.of(content))
    with pytest.raises(UserError, match="file is not as the stage train wrote it; remove it and run the stage train"):
        checked(path, "train")


@given(damage=DAMAGES)
@settings(deadline=None)
def test_damaged_digests_are_said_or_open_the_file_as_it_was(
    damage: Damage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("folder") / "file"
    path.write_bytes(CONTENT)
    digests = sealed(path).with_name("digests.json")
    digests.write_bytes(damage.of(digests.read_bytes()))
    try:
        with checked(path, "train") as file:
            assert file.read() == CONTENT
    except UserError as error:
        assert "run the stage train again" in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", ["[]", "{}", '{"dae/row/0.pt": null}', "[" * 100_000, "", '"dae"', "\xff"])
def test_digests_that_hold_none_of_the_file_are_said(folder: Path, content: str) -> None:
    (folder / "digests.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match="run the stage train again"):
        checked(folder / "row" / "0.pt", "train")


def test_files_that_change_places_are_refused(folder: Path) -> None:
    one, other = folder / "row" / "0.pt", folder / "row" / "1.pt"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    for path in (one, other):
        with pytest.raises(UserError, match=r"\.pt is not as the stage train wrote it"):
            checked(path, "train")


def test_folders_that_change_places_are_refused_with_their_digests(folder: Path) -> None:
    moved = folder.rename(folder.with_name("vae"))
    with pytest.raises(
        UserError, match=r"digests\.json does not hold the digest of 0\.pt; remove it and run the stage"
    ):
        checked(moved / "row" / "0.pt", "train")


def test_a_missing_file_and_missing_digests_are_told_apart(folder: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*/2\.pt; run the stage train first"):
        checked(folder / "row" / "2.pt", "train")
    (folder / "digests.json").unlink()
    with pytest.raises(UserError, match=r"0\.pt has no digests\.json beside it.*; run the stage train again"):
        checked(folder / "row" / "0.pt", "train")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_said_at_once(folder: Path, make: Callable[[Path], None]) -> None:
    (folder / "row" / "0.pt").unlink()
    make(folder / "row" / "0.pt")
    with pytest.raises(UserError, match=r"0\.pt is no file; remove it"):
        checked(folder / "row" / "0.pt", "train")
