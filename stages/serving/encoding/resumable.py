"""All users of some histories are encoded, part by part."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from stages.config.params import ScaleSettings
from stages.scale.engine import LOCAL, Failed
from stages.serving.encoding.encoder import Encoder, check_encoder
from stages.serving.encoding.histories import read_histories
from stages.serving.encoding.parts import PATTERN, Codes, read_part, write_part
from stages.serving.ids import check_distinct
from stages.serving.in_parts import Part, Task, finished, in_parts
from stages.serving.package.package import Package


def encode_histories(
    histories: Path, package: Package, folder: Path, settings: ScaleSettings = LOCAL
) -> Iterator[Part | Failed[Task]]:
    """Encode all users, part by part; the folder is whole when the iterator ends without an error.

    Memory: a part's codes while it is made; the ids of all users at the end, to see that each is there once.

    Parameters
    ----------
    package : one with an encoder
    histories, folder : as in `in_parts`

    Raises
    ------
    UserError
        as in `in_parts`, and where the histories hold a user at two places.
    """
    check_encoder(package)
    yield from in_parts(
        histories, folder, "code", package.digest, partial(_Encoding, package, settings.gpus_per_worker > 0), settings
    )
    users = pa.concat_arrays([read_part(path)[0].users for path in sorted(folder.glob(PATTERN))])
    check_distinct(users, f"users of {histories}")


class _Encoding:
    """Makes parts, with an encoder that is made once."""

    def __init__(self, package: Package, on_gpu: bool = False) -> None:
        self.encoder, self.items = Encoder(package, on_gpu), package.items.ids

    def __call__(self, task: Task) -> Part:
        if (table := finished(task)) is not None:
            return Part(task.path, len(table), table["code"].null_count, kept=True)
        codes = self._encoded(task)
        return Part(task.path, len(codes.users), int((~codes.has_code).sum()), kept=False)

    def _encoded(self, task: Task) -> Codes:
        found = [
            (batch.users, self.encoder.encode(batch.interactions), batch.known, batch.unknown)
            for batch in read_histories(task.pieces, self.items)
        ]
        of_users, codes, known, unknown = zip(*found, strict=True)
        coded = Codes(pa.concat_arrays(of_users), np.concatenate(codes), np.concatenate(known) > 0)
        write_part(task.path, coded, np.concatenate(known), np.concatenate(unknown), task.origin)
        return coded
