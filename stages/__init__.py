"""One module per DVC stage; the library is in the packages under it. Installed, it is `pq_vae` (hatch_build.py)."""

import os
import sys
from importlib import import_module
from typing import Any

# Waiting OpenMP threads sleep: threads that spin make training many times slower when other processes need the same
# cores. PyTorch reads this on import; a value from the environment has precedence.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if sys.argv[0] == "-m":  # as it is while Python looks for the module of `python -m stages.train`
    from stages.run.startup import start

    start()

PUBLIC = {
    "Encoder": "encoding.encoder",
    "QuantizedEmbedding": "lookup",
    "choose": "scoring.planner",
    "load_package": "package.files",
    "open_store": "store.store",
}
"""What serving is written with → its module below stages/serving; imported when asked for, as one needs PyTorch."""


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.serving.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *PUBLIC]
