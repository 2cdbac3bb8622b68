"""What the processor can do."""

import torch


def multiplies_bfloat16() -> bool:
    """Whether it has instructions for products of bfloat16; without them they take longer than those of float32."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(instructions) for instructions in ("avx512_bf16", "amx_bf16", "bf16"))
