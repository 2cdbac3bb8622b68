"""One module per DVC stage; the library is in the packages under it."""

import os

# Waiting OpenMP threads sleep: threads that spin make training many times slower when other processes need the same
# cores. PyTorch reads this on import; a value from the environment has precedence.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
