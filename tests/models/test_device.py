"""A device or precision that is not there is said before anything is trained on another one."""

import pytest
import torch

from stages.models.device import choose_device, choose_precision
from stages.run.errors import UserError

CPU = torch.device("cpu")


def test_precisions_are_those_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16


def test_a_processor_without_bfloat16_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False})
    with pytest.raises(UserError, match=r"this processor has no bfloat16 .* set training.precision .* to float32"):
        choose_precision("bfloat16", CPU)


def test_a_gpu_without_bfloat16_is_said_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    with pytest.raises(UserError, match="Tesla T4 has no bfloat16 instructions"):
        choose_precision("bfloat16", torch.device("cuda"))


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU
    with pytest.raises(UserError, match="PyTorch finds no GPU here; set it to auto or cpu"):
        choose_device("cuda")
