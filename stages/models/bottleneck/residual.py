"""The residual scheme: each codebook encodes the residual of those before it (RQ-VAE)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from stages.codebooks.beams import nearest_sums
from stages.codebooks.clustering import CODES
from stages.codebooks.residual import ResidualCodec, fit_residual
from stages.codebooks.transform import Transform, decoder_metric
from stages.config.model import ResidualBottleneckSettings
from stages.interfaces.batches import users_at_once
from stages.models.bottleneck.prefixes import decode_prefixes, draw_lengths

USERS_OF_MEAN_SOFTMAX = 4096


@dataclass(frozen=True)
class ResidualScheme:
    """Encodes a vector as a sum of codes of the full width, one per codebook; shapes as in `Scheme`."""

    width: int
    """Width of the vectors, and of every code."""
    n_codebooks: int
    """Number of codebooks, which is the bytes of the whole code."""
    beam: int
    """Number of partial codes in the beam search outside training steps; 1 is greedy."""
    training_beam: int
    """The same number in training steps."""
    metric: Literal["euclidean", "decoder"]
    """Metric of the distances; decoder is that of `stages.codebooks.transform.decoder_metric`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the codebooks: (n_codebooks, 256, width)."""
        return self.n_codebooks, CODES, self.width

    @property
    def has_transform(self) -> bool:
        """Whether vectors are mapped to the decoder's metric."""
        return self.metric == "decoder"

    @torch.no_grad()
    def fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:  # noqa: ARG002
        """Map to the decoder's metric, at the mean prediction of the first `USERS_OF_MEAN_SOFTMAX` vectors."""
        first = torch.from_numpy(vectors[:USERS_OF_MEAN_SOFTMAX]).to(output.weight.device)
        softmax = output.weight.new_zeros(output.out_features)
        for rows in first.split(users_at_once(4 * output.out_features, first.device)):
            softmax += output(rows).softmax(1).sum(0)
        return decoder_metric(output.weight.cpu().numpy(), (softmax / len(first)).cpu().numpy())

    def fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        """Fit initial codebooks by k-means of the residuals, one after the other."""
        return fit_residual(vectors, self.n_codebooks, seed)

    @torch.no_grad()
    def encode(self, codebooks: Tensor, vectors: Tensor, *, training: bool = False) -> Tensor:
        """Codes with a small distance to the vectors, by beam search."""
        beam = self.training_beam if training else self.beam
        blocks = vectors.float().split(users_at_once(4 * beam * CODES, vectors.device))
        if beam == 1:
            return torch.cat([_greedy(codebooks, rows) for rows in blocks])
        return torch.cat([nearest_sums(codebooks, rows, beam)[:, 0] for rows in blocks])

    def decode(self, codebooks: Tensor, codes: Tensor) -> Tensor:
        """The sum of the codes."""
        total = codebooks.new_zeros(len(codes), codebooks.shape[2])
        for codebook, column in zip(codebooks, codes.T, strict=True):
            total += codebook[column]
        return total

    def decode_for_training(self, codebooks: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """The sum of a prefix of the codes, of random length."""
        return decode_prefixes(codebooks, codes, draw_lengths(len(codes), len(codebooks), generator, codes.device))

    def targets(self, codebooks: Tensor, vectors: Tensor, codes: Tensor) -> Tensor:
        """The residual that each codebook had to encode."""
        rest, targets = vectors, []
        for codebook, column in zip(codebooks, codes.T, strict=True):
            targets.append(rest)
            rest = rest - codebook[column]
        return torch.stack(targets, 1)

    def codec(self, codebooks: np.ndarray, transform: Transform | None) -> ResidualCodec:
        """The codec with these codebooks, one byte per codebook."""
        return ResidualCodec(codebooks, self.beam, transform)


def build(settings: ResidualBottleneckSettings, width: int) -> ResidualScheme:
    """The scheme that an entry of params.yaml describes, for vectors of this width."""
    return ResidualScheme(width, settings.bytes[0], settings.beam, settings.training_beam, settings.metric)


def _greedy(codebooks: Tensor, vectors: Tensor) -> Tensor:
    """The nearest code of each codebook in turn, int64 (n, M): what `nearest_sums` with one partial code finds."""
    rest, codes = vectors, []
    for codebook in codebooks:
        distances = torch.addmm(codebook.square().sum(1), rest, codebook.T, alpha=-2)  # lacks ‖rest‖²
        codes.append(distances.min(1).indices)  # argmin would take longer
        rest = rest - codebook[codes[-1]]
    return torch.stack(codes, 1)
