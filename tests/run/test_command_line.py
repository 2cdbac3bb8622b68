"""What a stage's failure looks like to who ran it."""

import sys

import pytest
import torch

from stages.run.command_line import run


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
