"""A linear map applied before quantization, and its inverse, as a module of a model."""

import torch
from torch import Tensor, nn

from stages.codebooks.transform import Transform


class LinearTransform(nn.Module):
    """A linear map that is set when the codebooks start and fixed from then on; zero before.

    Parameters
    ----------
    width : number of dimensions, before and after the map
    """

    into: Tensor
    """float32 (width, width), applied before quantization."""
    back: Tensor
    """float32 (width, width), the inverse of `into`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("into", torch.zeros(width, width))
        self.register_buffer("back", torch.zeros(width, width))

    def set(self, transform: Transform) -> None:
        """Copy the matrices of a fitted transform."""
        self.into.copy_(torch.from_numpy(transform.into))
        self.back.copy_(torch.from_numpy(transform.back))

    def forward(self, vectors: Tensor) -> Tensor:
        """Apply the map, float32 (n, width) → (n, width)."""
        return vectors @ self.into

    def undo(self, vectors: Tensor) -> Tensor:
        """Apply the inverse, float32 (n, width) → (n, width)."""
        return vectors @ self.back

    def export(self) -> Transform:
        """The same map, for a codec."""
        return Transform(self.into.cpu().numpy(), self.back.cpu().numpy())
