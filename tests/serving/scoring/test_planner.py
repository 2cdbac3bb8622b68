"""The planner takes the fastest way that memory allows, and says why."""

import subprocess
import sys

import pytest

from stages.run.errors import UserError
from stages.serving.scoring.planner import choose
from tests.serving.scoring.packages import drawn_package

SMALL = drawn_package(300)


def test_tables_where_they_fit() -> None:
    scorer, why = choose(SMALL)
    assert scorer.name == "tables"
    assert why == "tables: 0.5 MB fit into 4.0 GB, and a query reads 5 bytes an item instead of 80"
    assert scorer.memory_bytes <= 4e9


def test_dense_where_tables_do_not_fit() -> None:
    scorer, why = choose(SMALL, memory_bytes=1000)
    assert scorer.name == "dense"
    assert why == "dense: tables of 0.5 MB don't fit into 0.0 MB"


def test_dense_where_codes_are_as_long_as_vectors() -> None:
    scorer, why = choose(drawn_package(300, n_bytes=20, kind="product"))
    assert scorer.name == "dense"
    assert why.startswith("dense: tables of 2.1 MB would be read no faster than item vectors of 20 dimensions")


def test_approximate_where_items_are_too_many_for_tables() -> None:
    scorer, why = choose(drawn_package(100_000), memory_bytes=1e8)
    assert scorer.name == "approximate"
    assert why.startswith("approximate: tables of 128.3 MB don't fit into 100.0 MB, and 100,000 items are too many")


@pytest.mark.parametrize("name", ["dense", "tables", "approximate"])
def test_a_scorer_that_is_named(name: str) -> None:
    scorer, why = choose(SMALL, name)
    assert scorer.name == name
    assert why == f"{name}: it was asked for"


@pytest.mark.parametrize("name", ["tables", "approximate"])
def test_a_scorer_that_is_named_but_takes_too_much_memory(name: str) -> None:
    message = rf"scorer {name} takes 0\.\d MB for 300 items and may take 0.0 MB: allow it more memory, or take"
    with pytest.raises(UserError, match=message):
        choose(SMALL, name, memory_bytes=1000)


def test_a_scorer_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="there is no scorer 'exact': take auto, dense, tables, approximate"):
        choose(SMALL, "exact")


def test_what_is_planned_is_what_is_taken() -> None:
    for name in ("tables", "approximate"):
        scorer, _ = choose(SMALL, name)
        with pytest.raises(UserError, match="allow it more memory"):
            choose(SMALL, name, memory_bytes=scorer.memory_bytes - 1)
        choose(SMALL, name, memory_bytes=scorer.memory_bytes)


def test_without_numba() -> None:
    code = """
import sys
sys.modules["numba"] = None
from stages.serving.scoring.planner import choose
from tests.serving.scoring.packages import drawn_codes, drawn_package
package = drawn_package(300)
scorer, why = choose(package)
print(why)
scorer.top(drawn_codes(package, 3), 10)
print(choose(package, batch=512)[1])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    alone, batch = run.stdout.splitlines()
    assert alone.startswith("tables (by NumPy alone, which is slower: Numba can't be imported): 0.5 MB fit")
    assert batch == (
        "dense: a product is faster for 512 users at once than tables without Numba, which can't be imported"
    )
