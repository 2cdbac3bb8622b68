"""What every codec with something fitted has in common: its size, and the file that keeps it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from stages.codebooks.transform import Transform
from stages.interfaces.codec import Embeddings


class FittedCodec(ABC):
    """A codec that is kept as an NPZ of the arguments that made it."""

    @property
    @abstractmethod
    def bytes_per_vector(self) -> int:
        """Of a code (faiss: code_size)."""

    @property
    @abstractmethod
    def shared_bytes(self) -> int:
        """Stored once, for all vectors."""

    @abstractmethod
    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 → (n, bytes_per_vector) uint8."""

    @abstractmethod
    def decode(self, codes: np.ndarray | csr_array) -> Embeddings:
        """(n, bytes_per_vector) uint8 → (n, d) float32."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """By which another such codec is made: arrays, numbers, strings, transforms and None."""

    def save(self, path: Path) -> None:
        """Write all that `load` needs as NPZ."""
        arrays: dict[str, np.ndarray] = {}
        for name, value in self._arguments().items():
            if isinstance(value, Transform):
                arrays |= {f"{name}.{part}": array for part, array in vars(value).items() if array is not None}
            elif value is not None:
                arrays[name] = np.asarray(value)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        arguments: dict[str, Any] = {}
        with np.load(path) as arrays:
            for name, array in arrays.items():
                value = array if array.ndim else array.item()
                head, _, part = name.partition(".")
                if part:
                    arguments.setdefault(head, {})[part] = value
                else:
                    arguments[head] = value
        return cls(
            **{name: Transform(**value) if isinstance(value, dict) else value for name, value in arguments.items()}
        )
