"""Files and folders are written whole or not at all."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from stages.run.errors import UserError
from stages.run.files import files, remove_leftovers, whole_file, whole_folder


def write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "new" / "file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "new" / "file").read_text() == "whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "file") as temporary:
        write_half(temporary)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "old"}


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    with whole_folder(tmp_path / "folder") as temporary:
        (temporary / "new").write_text("new")
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["digests.json", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(tmp_path / "folder") as temporary:
        write_half(temporary / "file")
    assert (tmp_path / "folder" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("old")
    with pytest.raises(UserError, match="cannot write"), whole_folder(tmp_path / "folder") as temporary:
        temporary.rmdir()  # so that there is nothing to put there
    assert (tmp_path / "folder" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_no_space_left_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with (
        pytest.raises(
            UserError,
            match=rf"cannot write {path}: No space left on device; make room or give access, and run this again$",
        ),
        whole_file(path),
        Path("/dev/full").open("w") as full,
    ):
        full.write("too much")


def test_a_folder_that_is_a_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with (
        pytest.raises(UserError, match=r"cannot write .*: (Not a directory|File exists)"),
        whole_file(tmp_path / "data" / "x"),
    ):
        pass


@pytest.mark.parametrize("write", [whole_file, whole_folder])
def test_a_read_that_fails_inside_is_no_failed_write(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    with pytest.raises(FileNotFoundError) as raised, write(tmp_path / "file"):
        (tmp_path / "of another stage").read_bytes()
    assert raised.value.filename == str(tmp_path / "of another stage")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [whole_file, whole_folder])
def test_a_full_disk_is_said_whatever_a_library_makes_of_it(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    with (
        pytest.raises(UserError, match=r"cannot write .*output: No space left on device"),
        write(tmp_path / "output"),
        Path("/dev/full").open("wb") as full,
    ):
        torch.save({"weights": torch.zeros(1000)}, full)  # a RuntimeError: unexpected pos
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_is_said_to_be_untouched_where_there_was_something(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with (
        pytest.raises(UserError, match=r"run this again; what was there before is untouched$"),
        whole_file(tmp_path / "file"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("too much")
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_that_is_read_while_it_is_replaced_is_not_said_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"), whole_file(path):
        path.read_text()


def test_leftovers_of_killed_processes_are_removed_and_files_of_the_users_stay(tmp_path: Path) -> None:
    for name in (".model.part", "models/.dae.part"):
        (tmp_path / name / "below").mkdir(parents=True)
    (tmp_path / "raw").mkdir()
    for name in (".file.part", "mine.part", ".hidden", "models/dae", "raw/.mine.part"):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {
        "mine.part", ".hidden", "models", "models/dae", "raw", "raw/.mine.part",
    }  # fmt: skip


def test_a_folder_that_was_moved_aside_for_one_that_never_came_is_put_back(tmp_path: Path) -> None:
    for name in (".model.part", ".model.old.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/file").read_text() == ".model.old.part"


def test_a_leftover_of_another_kind_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".folder.part").write_text("")
    with whole_folder(tmp_path / "folder") as temporary:
        (temporary / "new").write_text("new")
    (tmp_path / ".file.part").mkdir()
    with whole_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files(folder)]


def test_parts_are_found_in_order_in_folders_and_behind_links(tmp_path: Path) -> None:
    log, elsewhere = tmp_path / "log", tmp_path / "elsewhere"
    for path in ("log/b/1.csv", "log/a.csv", "log/_SUCCESS", "log/.hidden/2.csv", "log/user.part", "elsewhere/3.csv"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (log / "c").symlink_to(elsewhere)
    (log / "d.csv").symlink_to(elsewhere / "3.csv")
    (elsewhere / "back").symlink_to(log)
    assert names(log) == ["a.csv", "b/1.csv", "c/3.csv", "d.csv", "user.part"]
    assert files(log / "a.csv") == [log / "a.csv"]


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "part-0.csv").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"part-0\.csv is a link to nothing; put the file itself there"):
        files(tmp_path)


def test_a_pipe_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "part-0.csv")
    with pytest.raises(UserError, match=r"part-0\.csv is no regular file"):
        files(tmp_path)
