"""The product scheme: a vector is cut into chunks, each with its own codebook (PQ-VAE: Van Balen & Levy 2019)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec, fit_product
from stages.codebooks.transform import Transform, fit_rotation
from stages.config.model import ProductBottleneckSettings
from stages.interfaces.batches import users_at_once


@dataclass(frozen=True)
class ProductScheme:
    """Encodes each chunk of a vector with its own codebook; shapes as in `Scheme`."""

    width: int
    """Width of the vectors; a multiple of `chunks`."""
    chunks: int
    """Number of chunks, each with a codebook of 256 codes."""
    rotation: bool
    """Whether vectors are rotated before they are cut (OPQ)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the codebooks: (chunks, 256, width of a chunk)."""
        return self.chunks, CODES, self.width // self.chunks

    @property
    def has_transform(self) -> bool:
        """Whether there is a rotation."""
        return self.rotation

    def fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:  # noqa: ARG002
        """Fit the rotation."""
        return fit_rotation(vectors, self.chunks, seed)

    def fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        """Fit initial codebooks by k-means in every chunk."""
        return fit_product(vectors, self.chunks, seed)

    @torch.no_grad()
    def encode(self, codebooks: Tensor, vectors: Tensor, *, training: bool = False) -> Tensor:  # noqa: ARG002
        """Numbers of the nearest code of each chunk."""
        block = users_at_once(4 * self.chunks * CODES, vectors.device)
        return torch.cat([self._nearest(codebooks, rows) for rows in vectors.float().split(block)])

    def _nearest(self, codebooks: Tensor, vectors: Tensor) -> Tensor:
        half_norms = codebooks.square().sum(-1)[:, None] / 2  # (M, 1, K)
        chunks = vectors.view(len(vectors), self.chunks, -1).transpose(0, 1)  # (M, n, d)
        distances = torch.baddbmm(half_norms, chunks, codebooks.transpose(1, 2), alpha=-1)  # (M, n, K), lacks ½‖x‖²
        return distances.min(-1).indices.T  # argmin would take twice as long

    def decode(self, codebooks: Tensor, codes: Tensor) -> Tensor:
        """The codes of all chunks, concatenated."""
        chunk = torch.arange(codes.shape[1], device=codes.device)
        return codebooks[chunk, codes].flatten(1)  # (n, M, d) → (n, M · d)

    def decode_for_training(self, codebooks: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """The same as `decode`."""
        return self.decode(codebooks, codes)

    def targets(self, codebooks: Tensor, vectors: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
        """The chunks of the vectors."""
        return vectors.view(*codes.shape, -1)

    def codec(self, codebooks: np.ndarray, transform: Transform | None) -> ProductCodec:
        """The codec with these codebooks, one byte per chunk."""
        return ProductCodec(codebooks, transform)


def build(settings: ProductBottleneckSettings, width: int) -> ProductScheme:
    """The scheme that an entry of params.yaml describes, for vectors of this width."""
    return ProductScheme(width, settings.chunks, settings.rotation)
