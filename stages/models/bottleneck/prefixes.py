"""Random prefixes of residual codes in training, so that every prefix is trained as a code."""

import torch
from torch import Tensor

UNCUT_SHARE = 0.25  # share of users with the whole code; the others' lengths are uniform


def draw_lengths(n: int, n_codebooks: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw lengths of prefixes from 1 to `n_codebooks`, int64 (n,)."""
    lengths = torch.randint(1, n_codebooks + 1, (n,), generator=generator, device=device)
    uncut = torch.rand(n, generator=generator, device=device) < UNCUT_SHARE
    return torch.where(uncut, n_codebooks, lengths)


def decode_prefixes(codebooks: Tensor, codes: Tensor, lengths: Tensor) -> Tensor:
    """Decode a prefix of each code, as the sum of its first codes.

    Parameters
    ----------
    codebooks : float32 (M, 256, width)
    codes : int64 (n, M)
    lengths : int64 (n,), lengths of the prefixes, from 0 to M

    Returns
    -------
    float32 (n, width)
    """
    total = codebooks.new_zeros(len(codes), codebooks.shape[2])
    for number, (codebook, column) in enumerate(zip(codebooks, codes.T, strict=True)):
        total += codebook[column] * (number < lengths)[:, None]
    return total
