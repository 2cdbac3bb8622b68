"""The whole fault suite: kills, full disks, damaged artefacts, edits while a stage runs, hostile values.

python -m tests.faults            # about half an hour
python -m tests.faults weights    # the kinds whose names hold this

| fault | right outcome |
| --- | --- |
| kill before any event of the file system, or at any moment | each output is as before, whole or not there; the same command again ends in the same bytes |
| full disk, limit of file size, folder that may not be written | one sentence, each output is as before or whole; the same command again ends in the same bytes |
| file that is flipped, cut, edited, swapped, removed or not to be read | one sentence and nothing is lost, or the bytes of an undisturbed run |
| params.yaml edited while a stage runs | one sentence that names it, if the stage uses the entry |
| the same command twice at once | one ends in the right bytes; the other too, or in a sentence that names the first |
| users of one's own: kill of their encoding or upsert, a store that can't be written | the store is as before or as after; the same command again ends in the same users |
| values and surroundings that nobody means well | one sentence, or the bytes of an undisturbed run |

Never a traceback, a signal, a hang, a pickle that runs, other bytes with status 0, or files that nobody cleans up.
"""  # noqa: E501

import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.faults import artefacts, hostile, interruptions, meanwhile, users
from tests.faults.interruptions import WRITERS
from tests.faults.outcomes import RIGHT, Case, run_all, table
from tests.faults.workplace import Workplace


def every(workplace: Workplace) -> Iterator[Case]:
    return chain(
        artefacts.cases(workplace, times=2),
        artefacts.folder_cases(workplace),
        interruptions.kills(workplace, WRITERS, share=1, moments=20),
        interruptions.full_disks(workplace, WRITERS, share=1),
        interruptions.forbidden(WRITERS),
        meanwhile.edits(workplace, list(meanwhile.EDITS), every=4),
        meanwhile.pairs(workplace, WRITERS, every=4),
        users.cases(moments=20),
        hostile.cases(),
    )


def main(kind: str) -> int:
    done = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        workplace = Workplace(Path(folder))
        cases = (case for case in every(workplace) if kind in case.kind)
        for case, found in run_all(workplace, cases):
            done.append((case, found))
            if found.outcome not in RIGHT:
                print(f"{found.outcome}: {case.kind}: {case.what}: {found.shown}", flush=True)
    print(table(done))
    return int(any(found.outcome not in RIGHT for _, found in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
