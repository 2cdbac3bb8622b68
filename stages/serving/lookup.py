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
from stages.codecs.scalar import ScalarCodec, SignCodec
from stages.codecs.tree import TreeCodec
from stages.interfaces.codec import Codec, Float16, Float32
from stages.run.errors import UserError

BLOCK = 2**14  # rows that `dense` decodes at once


class QuantizedEmbedding(nn.Module):
    """An (n, d) embedding table that stores codes, and decodes only the rows that are looked up.

    A row is the concatenation of `chunks`. Each chunk is the sum of one code from each of its `summands` codebooks.
    `matrix` then maps the row, and `mean` is added. Product codes have many chunks of one summand (Jégou et al. 2011),
    residual and additive codes have one chunk of many summands (Chen et al. 2010, Martinez et al. 2018), k-means and
    tree codes have one chunk of one summand, and scalar codes one chunk per byte; with 6 bits, one per three bytes,
    which are summands. Floats have no codebooks. The layer has no trainable parameters, and
    `QuantizedEmbedding(**state_dict)` rebuilds it from its state dict.

    Parameters
    ----------
    codes : uint8 (n, bytes per row), the same number of bytes for every codebook, lowest byte first; or floats
        (n, width), without codebooks, which a cast of the layer casts as well
    codebooks : float32 (chunks, summands, codes per codebook, width of a chunk), or None
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
    codebooks: Tensor | None
    matrix: Tensor | None
    mean: Tensor | None

    def __init__(
        self,
        codes: Tensor,
        codebooks: Tensor | None = None,
        matrix: Tensor | None = None,
        mean: Tensor | None = None,
    ) -> None:
        super().__init__()
        for name, tensor in (("codes", codes), ("codebooks", codebooks), ("matrix", matrix), ("mean", mean)):
            self.register_buffer(name, None if tensor is None else tensor.contiguous())

    @classmethod
    def from_codec(cls, codec: Codec, codes: np.ndarray) -> Self:
        """Make a table with the rows of `codec.decode(codes)`.

        Parameters
        ----------
        codec : any that stores vectors, but 6bit only of a width that 4 divides: four numbers fill three bytes
        codes : uint8 (n, bytes of a vector), result of `codec.encode`; it is copied

        Raises
        ------
        UserError
            where the codec is of another kind.
        ValueError
            where codes have another dtype or shape.
        """
        codebooks, floats, spare = None, None, 0
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
            case SignCodec():
                codebooks, spare = _values_of_bytes(codec, 1)
            case ScalarCodec(type="8bit" | "6bit" | "4bit") if codec.type != "6bit" or codec.width % 4 == 0:
                untransformed = ScalarCodec(codec.type, codec.ranges, codec.width)
                codebooks, spare = _values_of_bytes(untransformed, int(codec.type.removesuffix("bit")))
            case ScalarCodec(type="float16" | "bfloat16"):
                floats = getattr(torch, codec.type)
            case Float16() | Float32():
                floats = getattr(torch, type(codec).__name__.lower())
            case _:
                kind = f" {codec.type} of width {codec.width}" if isinstance(codec, ScalarCodec) else ""
                raise UserError(
                    f"QuantizedEmbedding can't look up codes of {type(codec).__name__}{kind}; take a codec that stores "
                    "vectors, and with 6 bits a width that 4 divides"
                )
        n_bytes = getattr(codec, "bytes_per_vector", *codes.shape[1:2])  # Float16 and Float32 have none: any will do
        if codes.dtype != np.uint8 or codes.shape[1:] != (n_bytes,):
            raise ValueError(f"codes {codes.dtype} {codes.shape}, expected uint8 (n, {n_bytes})")
        transform: Transform | None = getattr(codec, "transform", None)
        back = transform.back if transform else None
        if spare and codebooks is not None:
            back = np.eye(codebooks.shape[0] * codebooks.shape[3] - spare, dtype=np.float32) if back is None else back
            back = np.pad(back, ((0, spare), (0, 0)))
        # All are copied: else load_state_dict would write into the codec.
        rows = torch.tensor(codes)
        return cls(
            rows if floats is None else rows.view(floats),
            None if codebooks is None else torch.tensor(codebooks),
            None if back is None else torch.tensor(back),
            torch.tensor(transform.mean) if transform and transform.mean is not None else None,
        )

    @property
    def num_embeddings(self) -> int:
        """Number of rows, n."""
        return len(self.codes)

    @property
    def embedding_dim(self) -> int:
        """Width of a row, d."""
        if self.matrix is not None:
            return self.matrix.shape[1]
        return self.codes.shape[1] if self.codebooks is None else self.codebooks.shape[0] * self.codebooks.shape[3]

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
        table = self._decode(self.codes[:0]).new_empty(self.num_embeddings, self.embedding_dim)
        for rows, codes in zip(table.split(BLOCK), self.codes.split(BLOCK), strict=True):
            rows.copy_(self._decode(codes))
        return table

    def extra_repr(self) -> str:
        """The text of `torch.nn.Embedding`, and the bytes per row."""
        return (
            f"{self.num_embeddings}, {self.embedding_dim}, bytes_per_vector={self.codes.shape[1] * self.codes.itemsize}"
        )

    def _decode(self, codes: Tensor) -> Tensor:
        """Decode codes (r, …) to rows float32 (r, d)."""
        rows = self._look_up(codes)
        if self.matrix is not None:
            rows = rows @ self.matrix
        return rows if self.mean is None else rows + self.mean

    def _look_up(self, codes: Tensor) -> Tensor:
        """Rows float32 (r, …), before matrix and mean."""
        if self.codebooks is None:
            return codes.to(torch.promote_types(codes.dtype, torch.float32))
        chunks, summands, n_codes, width = self.codebooks.shape
        n_books = chunks * summands
        numbers = torch.arange(0, n_books * n_codes, n_codes, device=codes.device)  # first code of each codebook
        for place, column in enumerate(codes.view(len(codes), n_books, codes.shape[1] // n_books).unbind(2)):
            numbers = numbers.add(column, alpha=CODES**place)  # int64 (r, n_books)
        bags, books = numbers.view(len(codes) * chunks, summands), self.codebooks.view(n_books * n_codes, width)
        # It stores no summands, and adds them in the same order as a codec's `decode`.
        return functional.embedding_bag(bags, books, mode="sum").view(len(codes), chunks * width)


def _values_of_bytes(codec: ScalarCodec | SignCodec, bits: int) -> tuple[np.ndarray, int]:
    """Codebooks of a codec without transform, by the bits per dimension.

    Returns
    -------
    codebooks : float32 (chunks, summands, 256, dimensions per chunk); numbers of 6 bits lie across bytes, and are the
        sums of what each byte adds
    spare : number of dimensions beyond the codec's, which fill the last byte up
    """
    summands, n_bytes = 3 if bits == 6 else 1, codec.bytes_per_vector
    zero = codec.decode(np.zeros((1, n_bytes), np.uint8))
    values = []
    for summand in range(summands):
        codes = np.zeros((CODES, n_bytes), np.uint8)
        codes[:, summand::summands] = np.arange(CODES)[:, None]
        values.append(codec.decode(codes) - zero if summand else codec.decode(codes))
    chunks, width = n_bytes // summands, 8 * summands // bits
    spare = chunks * width - zero.shape[1]
    books = np.pad(np.stack(values), ((0, 0), (0, 0), (0, spare))).reshape(summands, CODES, chunks, width)
    return books.transpose(2, 0, 1, 3), spare
