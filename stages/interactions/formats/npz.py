"""Logs as a sparse matrix in SciPy's NPZ: users × items, whose stored values are ratings."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array, load_npz

from stages.config.dataset import NpzFormat
from stages.interactions.formats.reading import Reader
from stages.run.errors import UserError


def reader(layout: NpzFormat) -> Reader:
    """The reader of matrices; ids are the numbers of rows and columns, from 0."""
    del layout
    return NpzReader({"user": "row", "item": "column", "rating": "data"}, "refuse", [])


class NpzReader(Reader):
    """Reads a matrix that `scipy.sparse.save_npz` wrote; each stored value is a rating, also a zero."""

    def batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """As in `Reader`: one batch, in the order of the matrix."""
        path.open("rb").close()  # what may not be read is not said to be damaged
        try:
            with ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(f"{damaged} is damaged")
            matrix = load_npz(path)
            if hasattr(matrix, "check_format"):
                matrix.check_format(full_check=True)
            pairs = coo_array(matrix)
            if pairs.ndim != 2 or pairs.data.dtype.kind not in "buif":
                raise ValueError(f"{pairs.ndim} dimensions of {pairs.data.dtype}")
            for numbers, size in zip(pairs.coords, pairs.shape, strict=True):
                if len(numbers) and not (numbers.min() >= 0 and numbers.max() < size):
                    raise ValueError("an index is beyond the shape")
        except (BadZipFile, OSError, ValueError, KeyError, EOFError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is no whole sparse matrix of SciPy ({' '.join(str(error).split())}); write it with save_npz, "
                "or correct format.kind in params.yaml"
            ) from error
        user, item = (pa.array(numbers.astype(np.int64)) for numbers in pairs.coords)
        rating = pairs.data if pairs.data.dtype in (np.float16, np.float32) else pairs.data.astype(np.float64)
        yield pa.record_batch([user, item, pa.array(rating)], names=["user", "item", "rating"])

    def place(self, path: Path, row: int) -> str:  # noqa: ARG002
        """The number of the stored value, from 1."""
        return f"value {row + 1:,}"
