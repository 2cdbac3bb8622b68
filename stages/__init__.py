"""One module per DVC stage; the library is in the packages under it."""

import os
import sys

# Waiting OpenMP threads sleep: threads that spin make training many times slower when other processes need the same
# cores. PyTorch reads this on import; a value from the environment has precedence.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if sys.argv[0] == "-m":  # as it is while Python looks for the module of `python -m stages.train`
    from stages.run.startup import start

    start()
