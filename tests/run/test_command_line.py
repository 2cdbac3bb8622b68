"""What a stage's failure looks like to who ran it."""

import sys
from pathlib import Path

import pytest
import torch

from stages.run.command_line import run
from stages.run.errors import UserError
from tests.run.conftest import Project, ended


def ending(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    """What the command says at its end where its stage raises this."""

    def stage() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as raised:
        run(stage)
    return str(raised.value)


def test_a_gpu_out_of_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ending(monkeypatch, torch.OutOfMemoryError()).startswith("error: the GPU is out of memory; free some of it")


def test_a_machine_out_of_memory_is_said_by_whichever_library_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**58, dtype=torch.uint8)
    for error in (refused.value, MemoryError()):
        assert ending(monkeypatch, error).startswith(
            "error: this machine is out of memory; free some, or take one with more"
        )


def test_any_other_error_is_a_bug_and_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        ending(monkeypatch, RuntimeError("a bug"))


def test_what_names_say_to_a_terminal_is_only_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    error = UserError("no member \x1b[2J\x07 in a.zip\n  but \u202etxt.exe\r, \udcff, é, –")
    shown = "error: no member \\x1b[2J\\x07 in a.zip\n  but \\u202etxt.exe\\r, \\udcff, é, –"
    assert ending(monkeypatch, error) == shown


def test_a_line_of_a_message_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ending(monkeypatch, UserError("x" * 10**6))) < 2100


def test_what_cannot_be_read_is_not_said_to_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="loop") as raised:
        loop.read_bytes()
    assert ending(monkeypatch, raised.value).startswith(f"error: cannot read {loop}: Too many levels of symbolic links")


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        (
            "--dataset",
            "../../outside",
            "params.yaml has no '../../outside' under datasets; it has ml-latest-small, ml-20m",
        ),
        ("--dataset", "\x1b[31m", "params.yaml has no '\\x1b[31m' under datasets; it has"),
        ("--model", "../dae-200", "params.yaml has no '../dae-200' under models; it has vae-600-200-600"),
    ],
)
def test_names_that_params_yaml_does_not_have_are_refused_before_anything_is_written(
    project: Project, option: str, value: str, complaint: str
) -> None:
    options = {"--dataset": "ml-latest-small", "--model": "dae-200"} | {option: value}
    before = sorted(project.folder.iterdir())
    status, errors = ended(project.start(*(word for pair in options.items() for word in pair)))
    assert (status, errors.startswith(f"error: {complaint}")) == (1, True)
    assert sorted(project.folder.iterdir()) == before


def test_a_terminal_that_knows_ascii_alone_shows_other_marks_by_their_numbers(project: Project) -> None:
    project.edit("stages/slow_stage.py", "    rate =", "    print('– é'); raise UserError('no –')\n    rate =")
    project.edit(
        "stages/slow_stage.py", "import sys, time\n", "import sys, time\nfrom stages.run.errors import UserError\n"
    )
    out, errors = project.start(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").communicate()
    assert (out, errors) == ("\\u2013 \\xe9\n", "error: no \\u2013\n")


def test_too_little_memory_for_an_import_is_said(project: Project) -> None:
    """As PyTorch's import ends where its library does not fit; of other failed imports the traceback stays."""
    project.edit(
        "stages/helper.py", "VALUE = 1", 'raise ImportError("libtorch.so: failed to map segment from shared object")'
    )
    assert ended(project.start())[1].startswith("error: this machine is out of memory; ")
    project.edit("stages/helper.py", "failed to map segment from shared object", "no such file")
    assert "Traceback" in ended(project.start())[1]
