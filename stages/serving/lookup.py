"""Rows of a table that is stored as codes, in the place of `torch.nn.Embedding` and `torch.nn.EmbeddingBag`."""

from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.codebooks.transform import Transform
from stages.codecs.kmeans import KMeansCodec, TreeCodec
from stages.codecs.scalar import ScalarCodec
from stages.interfaces.codec import Codec
from stages.run.errors import UserError

BLOCK = 2**14  # rows decoded at once, where all are


class QuantizedEmbedding(nn.Module):
    """A table of n rows of d numbers that keeps codes, and decodes the rows that are looked up.

    A row is `chunks` side by side, each the sum of one code of each of its `summands` codebooks; `matrix` maps it, and
    `mean` is added. Product codes are many chunks of one summand (Jégou et al. 2011); residual and additive codes one
    chunk of many (Chen et al. 2010, Martinez et al. 2018); k-means and tree codes one of one; scalar codes a chunk for
    every byte. Nothing is trainable; all is in the state dict, of which `QuantizedEmbedding(**state_dict)` makes the
    layer again.

    Parameters
    ----------
    codes : uint8 (n, bytes), as many bytes for every codebook, the lowest first
    codebooks : float32 (chunks, summands, codes of a codebook, width of a chunk)
    matrix : float32 (chunks · width of a chunk, d), if any
    mean : float32 (d,), if any
    """

    codes: Tensor
    codebooks: Tensor
    matrix: Tensor | None
    mean: Tensor | None

    def __init__(
        self, codes: Tensor, codebooks: Tensor, matrix: Tensor | None = None, mean: Tensor | None = None
    ) -> None:
        super().__init__()
        for name, part in (("codes", codes), ("codebooks", codebooks), ("matrix", matrix), ("mean", mean)):
            self.register_buffer(name, None if part is None else part.contiguous())

    @classmethod
    def from_codec(cls, codec: Codec, codes: np.ndarray) -> Self:
        """The table that `codec.decode(codes)` would give.

        Parameters
        ----------
        codec : one of products, residual or additive codes, k-means, trees, 8-bit steps, or 4-bit of an even width
        codes : uint8 (n, codec.bytes_per_vector), of `codec.encode`; copied

        Raises
        ------
        UserError
            where the codec is another.
        ValueError
            where codes are not of that dtype or shape.
        """
        match codec:
            case ProductCodec():
                codebooks = codec.codebooks[:, None]
            case ResidualCodec():  # and AdditiveCodec, which is one
                codebooks = codec.codebooks[None, : codec.kept]
            case KMeansCodec():
                codebooks = codec.centroids[None, None]
            case TreeCodec():
                codebooks = codec.leaves[None, None]
            case ScalarCodec(type="8bit" | "4bit") if codec.width % codec.bytes_per_vector == 0:
                codebooks = _values_of_bytes(codec)[:, None]
            case _:
                kind = f" {codec.type} of width {codec.width}" if isinstance(codec, ScalarCodec) else ""
                raise UserError(
                    f"QuantizedEmbedding can't look up codes of {type(codec).__name__}{kind}; take ProductCodec, "
                    "ResidualCodec, AdditiveCodec, KMeansCodec, TreeCodec, ScalarCodec 8bit, or 4bit of an even width"
                )
        if codes.dtype != np.uint8 or codes.shape[1:] != (codec.bytes_per_vector,):
            raise ValueError(f"codes {codes.dtype} {codes.shape}, expected uint8 (n, {codec.bytes_per_vector})")
        transform: Transform | None = getattr(codec, "transform", None)
        matrix = torch.tensor(transform.back) if transform else None
        mean = torch.tensor(transform.mean) if transform and transform.mean is not None else None
        # Copies, all of them: load_state_dict would write into the codec.
        return cls(torch.tensor(codes), torch.tensor(codebooks), matrix, mean)

    @property
    def num_embeddings(self) -> int:
        """Rows of the table."""
        return len(self.codes)

    @property
    def embedding_dim(self) -> int:
        """Numbers in a row."""
        return self.codebooks.shape[0] * self.codebooks.shape[3] if self.matrix is None else self.matrix.shape[1]

    @property
    def code_bytes(self) -> int:
        """Of all rows."""
        return self.codes.nbytes

    @property
    def shared_bytes(self) -> int:
        """Of codebooks, matrix and mean, as they are kept here; a codec counts what encoding needs, too."""
        return sum(part.nbytes for part in (self.codebooks, self.matrix, self.mean) if part is not None)

    def forward(self, indices: Tensor) -> Tensor:
        """Rows float32 (..., d) of indices int64 or int32 (...,), as of `torch.nn.Embedding`.

        Raises
        ------
        IndexError
            where an index is negative, or n or more; on a GPU it is CUDA's assertion, as `torch.nn.Embedding`'s.
        """
        rows = self._decode(functional.embedding(indices.flatten(), self.codes))
        return rows.view(*indices.shape, self.embedding_dim)

    def bag(
        self,
        indices: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
        mode: Literal["mean", "sum"] = "mean",
    ) -> Tensor:
        """Means or sums of rows, with the arguments, default and errors of `torch.nn.EmbeddingBag`.

        A sparse CSR matrix (m, n) times the table is
        `bag(matrix.col_indices(), matrix.crow_indices()[:-1], matrix.values(), "sum")`.

        Parameters
        ----------
        indices : int64 or int32 (m, rows of a bag); or (rows of all bags,) with
        offsets : int64 or int32 (m,), where each bag starts; an empty one gives zeros
        per_sample_weights : float32, of the shape of `indices`; for sums alone

        Returns
        -------
        float32 (m, d)

        Raises
        ------
        IndexError
            as `forward`.
        """
        rows, places = indices.unique(return_inverse=True)  # each row is decoded once
        return functional.embedding_bag(places, self(rows), offsets, mode=mode, per_sample_weights=per_sample_weights)

    def dense(self) -> Tensor:
        """The whole table, float32 (n, d), decoded in blocks."""
        table = self.codebooks.new_empty(self.num_embeddings, self.embedding_dim)
        for rows, codes in zip(table.split(BLOCK), self.codes.split(BLOCK), strict=True):
            rows.copy_(self._decode(codes))
        return table

    def extra_repr(self) -> str:
        """As of `torch.nn.Embedding`, and the bytes of a row."""
        return f"{self.num_embeddings}, {self.embedding_dim}, bytes_per_vector={self.codes.shape[1]}"

    def _decode(self, codes: Tensor) -> Tensor:
        """Rows float32 (r, d) of codes uint8 (r, bytes)."""
        chunks, summands, n_codes, width = self.codebooks.shape
        n_books = chunks * summands
        numbers = torch.arange(0, n_books * n_codes, n_codes, device=codes.device)  # where each codebook starts
        for place, column in enumerate(codes.view(len(codes), n_books, codes.shape[1] // n_books).unbind(2)):
            numbers = numbers.add(column, alpha=CODES**place)  # int64 (r, n_books)
        bags, books = numbers.view(len(codes) * chunks, summands), self.codebooks.view(n_books * n_codes, width)
        # A sum that keeps no summands, and adds in their order, as `decode` does.
        rows = functional.embedding_bag(bags, books, mode="sum").view(len(codes), chunks * width)
        if self.matrix is not None:
            rows = rows @ self.matrix
        return rows if self.mean is None else rows + self.mean


def _values_of_bytes(codec: ScalarCodec) -> np.ndarray:
    """What each byte stands for, before a transform is undone : float32 (bytes, 256, numbers in a byte)."""
    n_bytes = codec.bytes_per_vector
    codes = np.arange(CODES, dtype=np.uint8)[:, None].repeat(n_bytes, axis=1)
    values = np.asarray(ScalarCodec(codec.type, codec.ranges, codec.width).decode(codes))
    return values.reshape(CODES, n_bytes, -1).swapaxes(0, 1)
