"""What is said of parts while they are made."""

from collections.abc import Iterable

from stages.scale.engine import Failed
from stages.serving.in_parts import Part, Task


def said(parts: Iterable[Part | Failed[Task]]) -> tuple[int, int]:
    """Print a line for each part; the number of users of all, and of those without a code."""
    n_users = n_popular = 0
    for part in parts:
        if isinstance(part, Failed):
            print(f"{part.task.path}: failed, because {part.said}", flush=True)
            continue
        done = "kept" if part.kept else "written"
        print(f"{part.path}: {part.users:,} users, {part.popular:,} without a code; {done}", flush=True)
        n_users, n_popular = n_users + part.users, n_popular + part.popular
    return n_users, n_popular
