"""What the processor can do."""

import torch


def multiplies_bfloat16() -> bool:
    """Whether it has instructions for products of bfloat16."""
    return _has("avx512_bf16", "amx_bf16", "bf16")


def is_faster_in_bfloat16() -> bool:
    """Whether products of bfloat16 take less time than those of float32: those of AVX-512 do not."""
    return _has("amx_bf16")


def _has(*instructions: str) -> bool:
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in instructions)
