"""The device and the precision that models compute in."""

import torch

from stages.run.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device that `device` in params.yaml asks for.

    Raises
    ------
    UserError
        where it is cuda, and PyTorch finds no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device in params.yaml is cuda, but PyTorch finds no GPU here; set it to auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype that `training.precision` in params.yaml asks for.

    Raises
    ------
    UserError
        where it is bfloat16, and the device does not support it.
    """
    if name == "float32":
        return torch.float32
    if device.type == "cuda":
        available, what = torch.cuda.is_bf16_supported(including_emulation=False), torch.cuda.get_device_name(device)
    else:
        capabilities = torch.cpu.get_capabilities()
        available = any(capabilities.get(instructions) for instructions in ("avx512_bf16", "amx_bf16", "bf16"))
        what = "this processor"
    if not available:
        raise UserError(f"{what} has no bfloat16 instructions; set training.precision in params.yaml to float32")
    return torch.bfloat16


def describe(device: torch.device) -> dict[str, object]:
    """The device and the number of threads, for the run facts."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads()}
