"""Which way of scoring serves a package best."""

from stages.run.errors import UserError
from stages.serving.package.package import Package
from stages.serving.scoring.approximate import Approximate, approximate_bytes
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.scorer import Scorer
from stages.serving.scoring.tables import Tables, compiled_kernels, levels_that_count, tables_bytes

MANY_ITEMS = 100_000  # a pass over all of them takes a millisecond
MANY_USERS = 16  # at once, from which a matrix product is as fast as tables without Numba


def choose(package: Package, scorer: str = "auto", memory_bytes: float = 4e9, batch: int = 1) -> tuple[Scorer, str]:
    """Make the scorer, and say in a sentence which and why.

    Parameters
    ----------
    package : whose codes are scored
    scorer : dense, tables or approximate; auto takes the fastest that `memory_bytes` allows, exact ones first
    memory_bytes : that the scorer may take beyond the package
    batch : users that are scored at once

    Raises
    ------
    UserError
        if there is no such scorer, or it takes more memory.
    """
    (n_items, width), n_levels = package.items.weight.shape, len(levels_that_count(package))
    needed = {
        "dense": 0,
        "tables": tables_bytes(package, n_levels),
        "approximate": approximate_bytes(n_items, width),
    }
    allowed = _in_words(memory_bytes)
    compiled = compiled_kernels() is not None
    alone = "" if compiled else " (by NumPy alone, which is slower: Numba can't be imported)"
    if scorer != "auto":
        if scorer not in needed:
            raise UserError(f"there is no scorer {scorer!r}: take auto, {', '.join(needed)}")
        if needed[scorer] > memory_bytes:
            raise UserError(
                f"scorer {scorer} takes {_in_words(needed[scorer])} for {n_items:,} items and may take {allowed}: allow"
                " it more memory, or take scorer auto"
            )
        return _make(scorer, package), f"{scorer}{alone if scorer == 'tables' else ''}: it was asked for"
    tables = f"tables of {_in_words(needed['tables'])}"
    if 2 * n_levels > width:
        reason = f"{tables} would be read no faster than item vectors of {width} dimensions"
    elif not compiled and batch >= MANY_USERS:
        reason = f"a product is faster for {batch:,} users at once than tables without Numba, which can't be imported"
    elif needed["tables"] > memory_bytes:
        reason = f"{tables} don't fit into {allowed}"
    else:
        return _make("tables", package), (
            f"tables{alone}: {_in_words(needed['tables'])} fit into {allowed}, and a query reads {n_levels} bytes an"
            f" item instead of {4 * width}"
        )
    if n_items >= MANY_ITEMS and needed["approximate"] <= memory_bytes:
        return _make("approximate", package), (
            f"approximate: {reason}, and {n_items:,} items are too many to score them all; some of the best may"
            " be missed"
        )
    return _make("dense", package), f"dense: {reason}"


def _make(scorer: str, package: Package) -> Scorer:
    return {"dense": Dense, "tables": Tables, "approximate": Approximate}[scorer](package)


def _in_words(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
