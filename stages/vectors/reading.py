"""Files of vectors: NPY, Parquet with a list column, safetensors; read in batches, so that memory is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from stages.run.errors import UserError, quoted
from stages.serving.ids import Kind, as_ids, check_distinct, kind_of

BATCH = 2**16
"""Vectors that are read at once."""
TYPES = ("float32", "float64", "float16")
ID_COLUMNS = ("user", "item", "id")
SAFETENSORS_TYPES = {"F32": "float32", "F64": "float64", "F16": "float16"}


@dataclass(frozen=True)
class VectorFile:
    """A table of vectors on disk."""

    path: Path
    kind: str
    """The end of its name: .npy, .parquet or .safetensors."""
    name: str
    """Of the column or tensor; empty for NPY."""
    id_column: str | None
    """None where vectors are numbered by their rows."""
    n: int
    width: int
    """Dimensions of a vector, d."""
    dtype: str
    """One of `TYPES`; what is read is float32."""

    def batches(self) -> Iterator[np.ndarray]:
        """Batches of up to `BATCH` vectors, float32 (b, d), in the order of the rows.

        Raises
        ------
        UserError
            where the file is damaged, a value is not finite, or a vector is of another width than the first.
        """
        row = 0
        for batch in self._batches():
            with np.errstate(over="ignore"):  # too large for float32 is said as infinite
                vectors = np.ascontiguousarray(batch, dtype=np.float32)
            if not np.isfinite(vectors).all():
                bad = row + int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
                raise UserError(
                    f"{self.path}: the vector in row {bad:,} (from 0) holds NaN or an infinite value, as float32; "
                    "leave it out, or correct it"
                )
            yield vectors
            row += len(vectors)

    def ids(self) -> pa.Array:
        """The ids of all rows, int64 or large_string: those of the file, or else row numbers from 0.

        Raises
        ------
        UserError
            where an id is missing, is there twice, or is neither a whole number nor text.
        """
        if self.id_column is None:
            return pa.array(np.arange(self.n))
        ids = read_ids(self.path, self.id_column)
        check_distinct(ids, f"{self.id_column} of {self.path}")
        return ids

    def read(self) -> np.ndarray:
        """All vectors, float32 (n, d); errors as in `batches`."""
        vectors = np.empty((self.n, self.width), np.float32)
        row = 0
        for batch in self.batches():
            vectors[row : row + len(batch)] = batch
            row += len(batch)
        return vectors

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The vectors of some rows, float32 (len(rows), d), while the whole file is read and checked; errors as above.

        Parameters
        ----------
        rows : int64, ascending
        """
        vectors = np.empty((len(rows), self.width), np.float32)
        row = 0
        for batch in self.batches():
            first, last = np.searchsorted(rows, [row, row + len(batch)])
            vectors[first:last] = batch[rows[first:last] - row]
            row += len(batch)
        return vectors

    def _batches(self) -> Iterator[np.ndarray]:
        if self.kind == ".npy":
            table = np.load(self.path, mmap_mode="r")
            yield from (table[start : start + BATCH] for start in range(0, self.n, BATCH))
        elif self.kind == ".safetensors":
            with safe_open(self.path, framework="numpy") as file:
                tensor = file.get_slice(self.name)
                yield from (tensor[start : min(start + BATCH, self.n)] for start in range(0, self.n, BATCH))
        else:
            row = 0
            for batch in _parquet_batches(self.path, self.name, BATCH):
                yield _rectangular(self.path, batch.column(0), self.width, row)
                row += len(batch)


def open_vectors(path: Path) -> VectorFile:
    """Look into a file of vectors, without reading them.

    Raises
    ------
    UserError
        where the file is missing, damaged, or of another kind, holds no vectors or none of floats, or it is not clear
        which column or tensor holds them.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}; give a table of vectors as .npy, .parquet or .safetensors")
    match path.suffix.lower():
        case ".npy":
            return _npy(path)
        case ".parquet":
            return _parquet(path)
        case ".safetensors":
            return _safetensors(path)
    raise UserError(f"{path} is none of .npy, .parquet and .safetensors; save the vectors as one of them")


def vectors_of(file: VectorFile, wanted: np.ndarray, width: int) -> np.ndarray:
    """The vectors of some ids, float32 (len(wanted), width), in their order.

    Parameters
    ----------
    wanted : ids, whole numbers or text
    width : dimensions that a vector has to have

    Raises
    ------
    UserError
        where the vectors have another width, the file has no ids or some of another kind, or an id has no vector; and
        as in `VectorFile.batches`.
    """
    if file.width != width:
        raise UserError(f"{file.path} has vectors of {file.width:,} dimensions; params.yaml says {width:,}")
    if file.id_column is None:
        raise UserError(f"{file.path} has no ids, by which vectors are found; add a column {' or '.join(ID_COLUMNS)}")
    as_wanted = as_ids(wanted, "ids of the split")
    ids = as_ids(file.ids(), f"{file.id_column} of {file.path}", kind_of(as_wanted))
    rows = pc.index_in(as_wanted, value_set=ids)
    if rows.null_count:
        missing = as_wanted.filter(rows.is_null())
        raise UserError(
            f"{len(missing):,} of {len(wanted):,} ids of the split have no vector in {file.path}, such as "
            f"{quoted(missing[0].as_py())}; add them"
        )
    numbers = rows.to_numpy()
    order = np.argsort(numbers)
    vectors = np.empty((len(wanted), width), np.float32)
    vectors[order] = file.take(numbers[order])
    return vectors


def read_ids(path: Path, column: str, kind: Kind | None = None) -> pa.Array:
    """A column of ids of a Parquet file, int64 or large_string.

    Parameters
    ----------
    kind : what they have to be; None for either

    Raises
    ------
    UserError
        where the file is missing or damaged, or lacks the column, or where an id is missing or of another kind.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}; give a Parquet file with a column {column}")
    names = _opened(path).schema_arrow.names
    if column not in names:
        raise UserError(f"{path} has no column {column}; it has {', '.join(map(quoted, names)) or 'none'}")
    batches = [as_ids(batch.column(0), f"{column} of {path}", kind) for batch in _parquet_batches(path, column, BATCH)]
    return pa.concat_arrays(batches) if batches else pa.array([], pa.int64())


def _npy(path: Path) -> VectorFile:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is damaged, or no array of NumPy; save it again with numpy.save") from error
    if not isinstance(table, np.ndarray):
        raise UserError(f"{path} holds several arrays; save the one with the vectors with numpy.save")
    return _checked(path, ".npy", "", None, table.shape, table.dtype.name)


def _safetensors(path: Path) -> VectorFile:
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            shapes = {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}
            dtypes = {name: tensor.get_dtype() for name, tensor in slices.items()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is damaged, or no file of safetensors; save it again") from error
    tables = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(tables) != 1:
        found = ", ".join(f"{quoted(name)} {shape}" for name, shape in shapes.items())
        raise UserError(f"{path} must hold one tensor of two dimensions, the vectors; it holds {found or 'none'}")
    dtype = SAFETENSORS_TYPES.get(dtypes[tables[0]], dtypes[tables[0]])
    return _checked(path, ".safetensors", tables[0], None, shapes[tables[0]], dtype)


def _parquet(path: Path) -> VectorFile:
    table = _opened(path)
    lists = [field.name for field in table.schema_arrow if _is_list(field.type)]
    if len(lists) != 1:
        names = ", ".join(f"{quoted(field.name)} of {field.type}" for field in table.schema_arrow)
        raise UserError(f"{path} must have one column of lists, the vectors; it has {names or 'no columns'}")
    ids = [name for name in ID_COLUMNS if name in table.schema_arrow.names]
    kind = table.schema_arrow.field(lists[0]).type
    first = next(_parquet_batches(path, lists[0], 1), None)
    width = 0 if first is None or first.column(0).null_count else len(first.column(0)[0])
    dtype = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind.value_type), kind.value_type)
    return _checked(path, ".parquet", lists[0], ids[0] if ids else None, (table.metadata.num_rows, width), str(dtype))


def _checked(path: Path, kind: str, name: str, id_column: str | None, shape: tuple[int, ...], dtype: str) -> VectorFile:
    if len(shape) != 2:
        raise UserError(f"{path} holds an array of shape {shape}; vectors are rows, so give (vectors, dimensions)")
    if 0 in shape:
        raise UserError(f"{path} holds no vectors: {shape[0]:,} rows of {shape[1]:,} dimensions")
    if dtype not in TYPES:
        raise UserError(f"{path} holds {dtype}; give {', '.join(TYPES)}")
    return VectorFile(path, kind, name, id_column, *shape, dtype)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} is damaged, or no Parquet file; write it again") from error


def _parquet_batches(path: Path, column: str, size: int) -> Iterator[pa.RecordBatch]:
    try:
        yield from _opened(path).iter_batches(size, columns=[column])
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} is damaged; write it again") from error


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _rectangular(path: Path, lists: pa.Array, width: int, row: int) -> np.ndarray:
    """The lists as the rows of an array; row : number of the first."""
    lengths = lists.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    if (wrong := np.flatnonzero(lengths != width)).size:
        found = "nothing" if lengths[wrong[0]] < 0 else f"{lengths[wrong[0]]:,} dimensions"
        raise UserError(f"{path}: row {row + wrong[0]:,} (from 0) has {found}, the first {width:,}; give all the same")
    values = lists.flatten()
    return values.to_numpy(zero_copy_only=False).reshape(len(lists), width)  # a null becomes NaN
