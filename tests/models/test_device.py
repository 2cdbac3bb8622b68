"""A device or precision that is not there is said before anything is trained; small work gets one thread."""

import threading

import pytest
import torch

from stages.models import device
from stages.models.device import choose_device, choose_precision, side_by_side, threads_for
from stages.run.errors import UserError

CPU = torch.device("cpu")


def test_precisions_are_those_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16


def test_a_processor_without_bfloat16_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": False})
    said = r"this processor has no bfloat16 .* set precision under training .* to float32"
    with pytest.raises(UserError, match=said):
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


def test_small_products_get_one_thread_on_a_cpu_and_large_ones_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "THREADS", 8)
    assert threads_for(40 * 5_000 * 200, CPU) == 1
    assert threads_for(500 * 20_000 * 200, CPU) == 8
    assert threads_for(40 * 5_000 * 200, torch.device("cuda")) == 8


def test_the_number_of_threads_is_of_the_calling_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "THREADS", 2)
    before = torch.get_num_threads()

    def number(_: int) -> int:
        return torch.get_num_threads()

    assert side_by_side(number, [0, 1], 1) == [1, 1]
    assert torch.get_num_threads() == before


def test_small_seeds_are_worked_on_at_once_one_more_than_there_is_room_for_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "THREADS", 2)
    all_three = threading.Barrier(3, timeout=60)  # passed only where three seeds are worked on at once
    assert side_by_side(lambda seed: (all_three.wait(), seed)[1], [3, 1, 2], 1) == [3, 1, 2]


def test_seeds_that_use_all_threads_come_one_after_the_other_and_the_first_error_ends_what_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "THREADS", 2)
    begun = []

    def fail(seed: int) -> None:
        begun.append(seed)
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        side_by_side(fail, [0, 1, 2], 2)
    assert 2 not in begun
