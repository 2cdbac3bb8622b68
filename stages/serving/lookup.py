"""An embedding table stored as codes, to replace `torch.nn.Embedding` and `torch.nn.EmbeddingBag`."""

from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.codebooks.clustering import CODES
from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.codebooks.transform import Transform
from stages.codecs.additive import AdditiveCodec
from stages.codecs.kmeans import KMeansCodec
from stages.codecs.scalar import ScalarCodec
from stages.codecs.tree import TreeCodec
from stages.interfaces.codec import Codec
from stages.run.errors import UserError

BLOCK = 2**14  # rows that `dense` decodes at once


class QuantizedEmbedding(nn.Module):
    """An (n, d) embedding table that stores codes, and decodes only the rows that are looked up.

    A row is the concatenation of `chunks`. Each chunk is the sum of one code from each of its `summands` codebooks.
    `matrix` then maps the row, and `mean` is added. Product codes have many chunks of one summand (Jégou et al. 2011),
    residual and additive codes have one chunk of many summands (Chen et al. 2010, Martinez et al. 2018), k-means and
    tree codes have one chunk of one summand, and scalar codes have one chunk per byte. The layer has no trainable
    parameters, and `QuantizedEmbedding(**state_dict)` rebuilds it from its state dict.

    Parameters
    ----------
    codes : uint8 (n, bytes per row), the same number of bytes for every codebook, lowest byte first
    codebooks : float32 (chunks, summands, codes per codebook, width of a chunk)
    matrix : float32 (chunks · width of a chunk, d), or None
    mean : float32 (d,), or None

    Examples
    --------
    >>> from stages.codebooks.product import fit_product
    >>> table = np.random.default_rng(0).normal(size=(1_000, 64)).astype(np.float32)
    >>> codec = ProductCodec(fit_product(table, chunks=16, seed=0))
    >>> layer = QuantizedEmbedding.from_codec(codec, codec.encode(table))  # 16 bytes per row instead of 256
    >>> layer(torch.tensor([[3, 1], [4, 1]])).shape  # as of torch.nn.Embedding
    torch.Size([2, 2, 64])
    >>> layer.bag(torch.tensor([3, 1, 4]), torch.tensor([0, 2]), mode="sum").shape  # as of torch.nn.EmbeddingBag
    torch.Size([2, 64])
    """

    codes: Tensor
    codebooks: Tensor
    matrix: Tensor | None
    mean: Tensor | None

    def __init__(
        self, codes: Tensor, codebooks: Tensor, matrix: Tensor | None = None, mean: Tensor | None = None
    ) -> None:
        super().__init__()
        for name, tensor in (("codes", codes), ("codebooks", codebooks), ("matrix", matrix), ("mean", mean)):
            self.register_buffer(name, None if tensor is None else tensor.contiguous())

    @classmethod
    def from_codec(cls, codec: Codec, codes: np.ndarray) -> Self:
        """Make a table with the rows of `codec.decode(codes)`.

        Parameters
        ----------
        codec : a ProductCodec, ResidualCodec, AdditiveCodec, KMeansCodec or TreeCodec; or a ScalarCodec of 8 bits, or
            of 4 bits and even width
        codes : uint8 (n, codec.bytes_per_vector), result of `codec.encode`; it is copied

        Raises
        ------
        UserError
            where the codec is of another kind.
        ValueError
            where codes have another dtype or shape.
        """
        match codec:
            case ProductCodec():
                codebooks = codec.codebooks[:, None]
            case ResidualCodec():
                codebooks = codec.codebooks[None, : codec.n_bytes]
            case AdditiveCodec():
                codebooks = codec.codebooks[None]
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
        # All are copied: else load_state_dict would write into the codec.
        return cls(torch.tensor(codes), torch.tensor(codebooks), matrix, mean)

    @property
    def num_embeddings(self) -> int:
        """Number of rows, n."""
        return len(self.codes)

    @property
    def embedding_dim(self) -> int:
        """Width of a row, d."""
        return self.codebooks.shape[0] * self.codebooks.shape[3] if self.matrix is None else self.matrix.shape[1]

    @property
    def code_bytes(self) -> int:
        """Bytes of the codes of all rows."""
        return self.codes.nbytes

    @property
    def shared_bytes(self) -> int:
        """Bytes of codebooks, matrix and mean; a codec also counts what only encoding needs."""
        return sum(tensor.nbytes for tensor in (self.codebooks, self.matrix, self.mean) if tensor is not None)

    def forward(self, indices: Tensor) -> Tensor:
        """Look up rows as `torch.nn.Embedding` does: indices int64 or int32 (...,) → float32 (..., d).

        Raises
        ------
        IndexError
            where an index is negative, or n or more; on a GPU, CUDA's assertion fails, as in `torch.nn.Embedding`.
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
        """Means or sums of rows, with the arguments, defaults and errors of `torch.nn.EmbeddingBag`.

        The product of a sparse CSR matrix (m, n) with the table is
        `bag(matrix.col_indices(), matrix.crow_indices()[:-1], matrix.values(), "sum")`.

        Parameters
        ----------
        indices : int64 or int32 (m, rows per bag); with `offsets`, (rows of all bags,)
        offsets : int64 or int32 (m,), position in `indices` where each bag starts; an empty bag gives zeros
        per_sample_weights : float32, of the shape of `indices`; only for sums
        mode : mean or sum

        Returns
        -------
        float32 (m, d)

        Raises
        ------
        IndexError
            as in `forward`.
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
        """The text of `torch.nn.Embedding`, and the bytes per row."""
        return f"{self.num_embeddings}, {self.embedding_dim}, bytes_per_vector={self.codes.shape[1]}"

    def _decode(self, codes: Tensor) -> Tensor:
        """Decode codes uint8 (r, bytes per row) to rows float32 (r, d)."""
        chunks, summands, n_codes, width = self.codebooks.shape
        n_books = chunks * summands
        numbers = torch.arange(0, n_books * n_codes, n_codes, device=codes.device)  # first code of each codebook
        for place, column in enumerate(codes.view(len(codes), n_books, codes.shape[1] // n_books).unbind(2)):
            numbers = numbers.add(column, alpha=CODES**place)  # int64 (r, n_books)
        bags, books = numbers.view(len(codes) * chunks, summands), self.codebooks.view(n_books * n_codes, width)
        # It stores no summands, and adds them in the same order as a codec's `decode`.
        rows = functional.embedding_bag(bags, books, mode="sum").view(len(codes), chunks * width)
        if self.matrix is not None:
            rows = rows @ self.matrix
        return rows if self.mean is None else rows + self.mean


def _values_of_bytes(codec: ScalarCodec) -> np.ndarray:
    """Value of every possible byte, before the transform is undone, float32 (bytes, 256, dimensions per byte)."""
    n_bytes = codec.bytes_per_vector
    codes = np.arange(CODES, dtype=np.uint8)[:, None].repeat(n_bytes, axis=1)
    values = np.asarray(ScalarCodec(codec.type, codec.ranges, codec.width).decode(codes))
    return values.reshape(CODES, n_bytes, -1).swapaxes(0, 1)
