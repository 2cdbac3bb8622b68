"""Compare two runs: the difference of NDCG@100 of every row, paired by user and seed, with its 95 % interval.

python -m stages.commands.compare --dataset ml-latest-small main
python -m stages.commands.compare --dataset ml-latest-small main my-experiment

Prints Markdown, and writes nothing.
"""

from typing import Annotated

import numpy as np
import pandas as pd
import typer

from stages.commands.runs import Run, read_run
from stages.config.reader import read_params
from stages.reporting.tables import markdown
from stages.reporting.wording import UNCORRECTED, code, difference, listing, paragraphs, score, verdict
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.text import literal
from stages.statistics.bootstrap import Bootstrap

Base = Annotated[
    str, typer.Argument(metavar="REV_A", help="What to compare with: a branch, tag, commit or experiment of DVC.")
]
Revision = Annotated[str | None, typer.Argument(metavar="REV_B", help="What is compared; by default, the workspace.")]
Pair = tuple[np.ndarray, np.ndarray]
"""NDCG@100 of a row in two runs, float64 (n_seeds, n_users) each, of the same seeds and test users."""


def compare(dataset: Dataset, base: Base, revision: Revision = None) -> None:
    """Print what NDCG@100 of every row gains or loses in one run against another, on the same test users."""
    params = read_params()
    runs = read_run(dataset, base), read_run(dataset, revision)
    pairs, seeds = _pair(*runs)
    bootstrap = Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed)
    differing = {name: pair for name, pair in pairs.items() if not np.array_equal(*pair)}
    before, after = (literal(of_run.name) for of_run in runs)
    print(paragraphs(
        f"## NDCG@100 on {literal(params.dataset(dataset).title)}: {after} against {before}",
        _table(differing, before, after, bootstrap),
        _how(runs, pairs, seeds, len(differing)),
        _others(runs, {name: pair for name, pair in pairs.items() if name not in differing}),
    ))  # fmt: skip


def _pair(before: Run, after: Run) -> tuple[dict[str, Pair], list[int]]:
    """Rows of both runs, by name, and the seeds that are compared; UserError where users or seeds can't be paired."""
    runs = f"{before.name} and {after.name}"
    if before.test_users != after.test_users:
        raise UserError(
            f"{runs} split the data otherwise, so that their test users can't be paired; compare runs with the same "
            "ratings, and the same format and split in params.yaml"
        )
    pairs: dict[str, Pair] = {}
    seeds: set[int] = set()
    for name in sorted(before.rows.keys() & after.rows.keys()):
        one, other = before.rows[name], after.rows[name]
        if not one.ndcg.columns.equals(other.ndcg.columns):
            raise UserError(f"{name} was measured on other test users in {before.name} than in {after.name}")
        common = one.ndcg.index.intersection(other.ndcg.index)
        if common.empty:
            raise UserError(
                f"{name} has seeds {listing(one.ndcg.index)} in {before.name} and {listing(other.ndcg.index)} in "
                f"{after.name}, so that no training can be paired; compare runs with one of seeds in common"
            )
        seeds |= set(common) if one.has_seeds else set()
        pairs[name] = one.ndcg.loc[common].to_numpy(), other.ndcg.loc[common].to_numpy()
    if not pairs:
        raise UserError(f"{runs} have no row in common; compare runs of the same models and quantizers")
    return pairs, sorted(seeds)


def _table(pairs: dict[str, Pair], before: str, after: str, bootstrap: Bootstrap) -> str:
    if not pairs:
        return "No row differs."
    gains = [bootstrap.difference(new, old) for old, new in pairs.values()]
    return markdown(pd.DataFrame(
        {
            "row": code(pairs),
            before: [score(old.mean()) for old, _ in pairs.values()],
            after: [score(new.mean()) for _, new in pairs.values()],
            "difference (95 % CI)": [difference(*gain) for gain in gains],
            f"{after} is": [verdict(gain.low, gain.high) for gain in gains],
        }
    ))  # fmt: skip


def _how(runs: tuple[Run, Run], pairs: dict[str, Pair], seeds: list[int], n_intervals: int) -> str:
    """What is compared, and what its intervals say."""
    (first, _), *_ = pairs.values()
    of_seeds = {seed for of_run in runs for row in of_run.rows.values() if row.has_seeds for seed in row.ndcg.index}
    left_out = listing(sorted(of_seeds - set(seeds)))
    told = f"Means over {first.shape[1]:,} test users" + (f" and seeds {listing(seeds)}" if seeds else "")
    told += f"; seeds {left_out}, of one run alone, are left out" if left_out else ""
    if not n_intervals:
        return f"{told}."
    return f"{told}. {n_intervals} intervals, from a bootstrap over users and seeds, paired by both; {UNCORRECTED}."


def _others(runs: tuple[Run, Run], same: dict[str, Pair]) -> str:
    """Rows without an interval."""
    lines = [
        f"- Only in {literal(one.name)}: {listing(code(sorted(only)))}"
        for one, other in (runs, runs[::-1])
        if (only := one.rows.keys() - other.rows.keys())
    ]
    if same:
        scores = (f"{name} {score(pair[0].mean())}" for name, pair in zip(code(same), same.values(), strict=True))
        lines.append(f"- The same for every user and seed: {listing(scores)}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(compare)
