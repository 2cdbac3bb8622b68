"""One module per DVC stage; the library is in the packages under it."""

import os

# OpenMP's threads sleep while they wait: those that spin slow training down many times over where something else wants
# the same cores. Read when PyTorch is imported; a value that is set already stays.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
