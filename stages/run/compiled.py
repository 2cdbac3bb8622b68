"""What the parts that Numba compiles have in common."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import config, njit, types

N_THREADS: int = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined] # set on import
USERS_PER_THREAD = 32  # fewer are done sooner by one thread


def read_only(dtype: types.Type, ndim: int) -> types.Array:
    """The type of an array that is only read; takes writable arrays, too."""
    return types.Array(dtype, ndim, "C", readonly=True)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for one signature, without the interpreter's lock.

    The machine code is kept for later processes, beside the source or in the user's cache folder. Where neither can be
    written, every process compiles again, which takes some seconds.
    """

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:
            return njit(signature, nogil=True)(function)

    return compile_function


def shared_out(n_users: int, work: Callable[[int, int], None], most_threads: int = N_THREADS) -> None:
    """Call `work(start, end)` in threads, each for some of the users."""
    n_threads = min(most_threads, n_users // USERS_PER_THREAD)
    if n_threads <= 1:
        work(0, n_users)
        return
    # Not Numba's own threads, whose simplest layer ends the process where two callers come at once.
    borders = np.linspace(0, n_users, n_threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(work, borders, borders[1:]))
