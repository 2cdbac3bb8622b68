"""Sparse 0/1 matrices of any size, in SciPy's NPZ, mapped into memory: what is not looked at takes none."""

from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from scipy.sparse import csr_array

ALIGNMENT = 64  # bytes; NPY aligns its array so, too
LOCAL_HEADER = 30  # bytes of a ZIP file before the name of a member; the last four are the lengths of it and of fields
ZIP64_FIELD = 20  # bytes, for members that may exceed 4 GB
AT_ONCE = 2**24  # interactions
PADDING_FIELD = 0xD935  # the kind of field by which Android's zipalign aligns members


def save_matrix(path: Path, matrix: csr_array) -> None:
    """Write a 0/1 matrix as `scipy.sparse.save_npz` does, uncompressed, its arrays where they can be mapped."""
    arrays = {
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": np.broadcast_to(np.float32(1), matrix.nnz),  # takes no memory
        "_is_array": np.array(True),
    }
    with path.open("wb") as file, ZipFile(file, "w", ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = ZipInfo(f"{name}.npy")
            padding = -(file.tell() + LOCAL_HEADER + len(member.filename) + 4 + ZIP64_FIELD) % ALIGNMENT
            member.extra = PADDING_FIELD.to_bytes(2, "little") + padding.to_bytes(2, "little") + bytes(padding)
            with archive.open(member, "w", force_zip64=True) as written:
                np.lib.format.write_array(written, array, allow_pickle=False)


def map_matrix(file: BinaryIO) -> csr_array:
    """A matrix that `save_matrix` wrote, its arrays mapped: a change of them stays in memory.

    Raises
    ------
    OSError, ValueError, LookupError, TypeError, OverflowError, EOFError, BadZipFile
        where the file holds something else.
    """
    with ZipFile(file) as archive:
        arrays = {member.filename: _mapped(file, member) for member in archive.infolist()}
    if arrays["format.npy"].item() != b"csr":
        raise ValueError("not in rows")
    data, indices, indptr = (arrays[f"{name}.npy"] for name in ("data", "indices", "indptr"))
    matrix = csr_array((data, indices, indptr), shape=tuple(arrays["shape.npy"].tolist()))
    matrix.check_format(full_check=True)  # an index out of range would be read from beyond the memory
    if matrix.dtype != np.float32 or (matrix.nnz and not matrix.data.min() == matrix.data.max() == 1):
        raise ValueError("not of interactions, which are 1")
    return matrix


def interactions_of_items(matrix: csr_array) -> np.ndarray:
    """Number of interactions of each item, int64 (n_items,); matrix : (n_users, n_items) 0/1."""
    counts = np.zeros(matrix.shape[1], dtype=np.int64)
    for start in range(0, matrix.nnz, AT_ONCE):  # bincount copies them to int64
        counts += np.bincount(matrix.indices[start : start + AT_ONCE], minlength=len(counts))
    return counts


def _mapped(file: BinaryIO, member: ZipInfo) -> np.ndarray:
    if member.compress_type != ZIP_STORED:
        raise BadZipFile("compressed")
    file.seek(member.header_offset + LOCAL_HEADER - 4)
    name, fields = file.read(2), file.read(2)
    file.seek(int.from_bytes(name, "little") + int.from_bytes(fields, "little"), 1)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("objects of Python")
    if 0 in shape:  # no memory to map
        return np.empty(shape, dtype)
    return np.memmap(file, dtype, "c", file.tell(), shape)
