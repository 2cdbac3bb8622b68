"""Candidates for a code: the codes of a vector that are nearest to it, along a beam."""

import torch
from torch import Tensor


def nearest_sums(codebooks: Tensor, vectors: Tensor, beam: int) -> Tensor:
    """The best sums of codes that a beam search finds, int64 (n, up to beam, M), the best first.

    Parameters
    ----------
    codebooks : float32 (M, K, d)
    vectors : float32 (n, d)
    beam : number of partial codes that are kept
    """
    n, width = vectors.shape
    n_codes = codebooks.shape[1]
    rest = vectors[:, None]  # (n, beam, d), residual of each partial code
    codes = torch.zeros(n, 1, 0, dtype=torch.int64, device=vectors.device)  # (n, beam, codebooks so far)
    lost = vectors.new_zeros(n, 1)  # (n, beam), squared distances minus ‖x‖²
    for codebook in codebooks:
        after = torch.addmm(codebook.square().sum(1), rest.reshape(-1, width), codebook.T, alpha=-2)
        candidates = (lost[..., None] + after.view(n, -1, n_codes)).flatten(1)  # (n, beam · K)
        lost, best = candidates.topk(min(beam, candidates.shape[1]), 1, largest=False)
        partial, code = best // n_codes, best % n_codes
        rest = rest.gather(1, partial[..., None].expand(-1, -1, width)) - codebook[code]
        codes = torch.cat([codes.gather(1, partial[..., None].expand(-1, -1, codes.shape[2])), code[..., None]], 2)
    return codes


def nearest_chunks(codebooks: Tensor, vectors: Tensor, beam: int) -> Tensor:
    """The nearest combinations of a code for each chunk, int64 (n, up to beam, M), the best first.

    Parameters
    ----------
    codebooks : float32 (M, K, width of a chunk)
    vectors : float32 (n, M · width)
    beam : number of combinations
    """
    n, n_chunks = len(vectors), len(codebooks)
    chunks = vectors.view(n, n_chunks, -1).transpose(0, 1)  # (M, n, width)
    distances = torch.baddbmm(codebooks.square().sum(2)[:, None], chunks, codebooks.transpose(1, 2), alpha=-2)
    few = min(beam, codebooks.shape[1])
    lost, choices = distances.topk(few, 2, largest=False)  # (M, n, few): no other code of a chunk can be among the best
    total = vectors.new_zeros(n, 1)
    codes = torch.zeros(n, 1, 0, dtype=torch.int64, device=vectors.device)
    for of_chunk, choice in zip(lost, choices, strict=True):
        sums = (total[..., None] + of_chunk[:, None]).flatten(1)  # (n, beam · few)
        total, best = sums.topk(min(beam, sums.shape[1]), 1, largest=False)
        partial, code = best // few, choice.gather(1, best % few)
        codes = torch.cat([codes.gather(1, partial[..., None].expand(-1, -1, codes.shape[2])), code[..., None]], 2)
    return codes
