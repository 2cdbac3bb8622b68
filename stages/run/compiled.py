"""What the parts that Numba compiles have in common."""

from collections.abc import Callable
from typing import Any

from numba import config, njit, types

N_THREADS: int = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined] # set on import


def read_only(dtype: types.Type, ndim: int) -> types.Array:
    """The type of an array that is only read; takes writable arrays, too."""
    return types.Array(dtype, ndim, "C", readonly=True)


def compiled(signature: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile a function for one signature, without the interpreter's lock.

    The machine code is kept for later processes, beside the source or in the user's cache folder. Where neither can be
    written, every process compiles again, which takes some seconds.
    """

    def compile_function(function: Callable[..., None]) -> Callable[..., None]:
        try:
            return njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:
            return njit(signature, nogil=True)(function)

    return compile_function
