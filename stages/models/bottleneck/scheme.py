"""The interface of quantization schemes."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from stages.codebooks.codebook_codec import CodebookCodec
from stages.codebooks.transform import Transform


class Scheme(Protocol):
    """Encodes vectors with codebooks and decodes codes. It holds settings only; codebooks are arguments.

    In all methods, vectors are float32 (n, width), after the linear transform if there is one, codes are int64 (n, M),
    and codebooks are float32 (M, 256, width of a code).
    """

    @property
    def width(self) -> int:
        """Width of the vectors."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the codebooks: (M, 256, width of a code)."""
        ...

    @property
    def has_transform(self) -> bool:
        """Whether a linear transform comes before the codebooks."""
        ...

    def fit_transform(self, vectors: np.ndarray, output: nn.Linear, seed: int) -> Transform:
        """Fit the linear transform on untransformed vectors.

        Parameters
        ----------
        output : output layer that takes the vectors
        seed : seed of k-means
        """
        ...

    def fit(self, vectors: np.ndarray, seed: int) -> np.ndarray:
        """Fit initial codebooks by k-means; errors as in `stages.codebooks.clustering.check_vectors`."""
        ...

    def encode(self, codebooks: Tensor, vectors: Tensor, *, training: bool) -> Tensor:
        """Codes of the vectors; in training, a scheme may use a cheaper search."""
        ...

    def decode(self, codebooks: Tensor, codes: Tensor) -> Tensor:
        """Vectors decoded from codes."""
        ...

    def decode_for_training(self, codebooks: Tensor, codes: Tensor, generator: torch.Generator) -> Tensor:
        """As `decode`, but a scheme may decode a random prefix of each code."""
        ...

    def targets(self, codebooks: Tensor, vectors: Tensor, codes: Tensor) -> Tensor:
        """Vectors that each codebook had to encode, float32 (n, M, width of a code)."""
        ...

    def codec(self, codebooks: np.ndarray, transform: Transform | None) -> CodebookCodec:
        """The codec with these codebooks."""
        ...
