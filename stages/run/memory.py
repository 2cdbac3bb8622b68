"""Memory settings of the process, which change its speed but no result."""

import ctypes
import sys


def keep_freed_memory() -> None:
    """Make this process reuse freed memory instead of returning it to the system, if the C library is glibc.

    Otherwise large blocks are returned at once, and a training step spends a tenth to a third of its time on mapping
    them again, page by page (mallopt(3): M_MMAP_MAX, M_TRIM_THRESHOLD).
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-4, 0)
        mallopt(-1, 2**31 - 1)


def share_memory_with_arrow() -> None:
    """Let pyarrow take memory from the C library, as NumPy does, so that each can use what the other has freed.

    Fresh pages cost a tenth of the time of reading a log.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
