"""Encode all users of a data set for every row that is handed over, and store their codes.

python -m stages.encode --dataset ml-latest-small
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, vstack

from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.serving.encoding.encoder import Encoder
from stages.serving.encoding.parts import Codes, Origin, part, write_part
from stages.serving.package.files import load_exported
from stages.serving.store.store import write_store

USERS_AT_ONCE = 2**18


def encode(dataset: Dataset) -> None:
    """Write codes/part-00000.parquet and store/data.mdb of each row.

    Train users are encoded from their histories, held-out users from their fold-in alone, so that what is measured of
    them from the store is what a recommender would have shown before their held-out interactions.
    """
    split = load_split(paths.split(dataset))
    histories = [split.train, split.validation.fold_in, split.test.fold_in]
    known = np.concatenate([np.diff(matrix.indptr) for matrix in histories]).astype(np.int32)
    with recorded(dataset, "encode"), whole_folder(paths.all_users(dataset)) as folder:
        for row in read_params().serving.rows:
            package = load_exported(paths.package(dataset, row))
            encoder = Encoder(package)
            encoded = np.concatenate([encoder.encode(block) for block in _blocks(histories)])
            users = Codes(pa.array(split.users), encoded, known > 0)
            codes, store = folder / row / "codes", folder / row / "store"
            codes.mkdir(parents=True)
            store.mkdir()
            origin = Origin(package.digest, "", 0, len(known), last=True)
            write_part(part(codes, 0), users, known, np.zeros_like(known), origin)
            write_store(store, *users, package.digest)
            print(f"{row}: {len(known):,} users, {package.quantizer.n_bytes} bytes each")


def _blocks(histories: list[csr_array]) -> Iterator[csr_array]:
    """The rows of all matrices, some at once."""
    ends = np.cumsum([0] + [matrix.shape[0] for matrix in histories])
    for start in range(0, ends[-1], USERS_AT_ONCE):
        rows = [
            matrix[max(start - first, 0) : max(start + USERS_AT_ONCE - first, 0)]
            for matrix, first in zip(histories, ends, strict=False)
        ]
        yield csr_array(vstack(rows, format="csr"))


if __name__ == "__main__":
    run(encode)
