"""What a process that was started to run a stage or a command does before it imports anything else."""

import os
import sys
from types import TracebackType

from stages.run import watch
from stages.run.errors import OUT_OF_MEMORY


def start() -> None:
    """Note the code as it is before it is read, and see to what a stage has no hand in."""
    watch.AT_START.update(watch.digests())
    os.environ["MPLBACKEND"] = "agg"  # pictures are written to files, and a wrong name would stop Matplotlib's import
    sys.excepthook = _say_what_stopped_an_import


def _say_what_stopped_an_import(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Where memory is short, PyTorch can't even be imported."""
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map segment" in str(error)):
        print(f"error: {OUT_OF_MEMORY}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
