"""Made-up results, small enough to be known by heart."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.config.dataset import Published, SplitSettings
from stages.evaluation.groups import group_column
from stages.reporting.csv_files import Tables, read_table, write_table
from stages.reporting.drawing import table_columns
from stages.reporting.experiment import Experiment
from stages.reporting.results import Results, RowResult, Served
from stages.reporting.sections import SECTIONS, SectionWithData
from stages.statistics.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(resamples=500, seed=0)
METRICS = {
    "ndcg@100": "NDCG@100",
    "recall@20": "Recall@20",
    "recall@50": "Recall@50",
    "precision@20": "Precision@20",
    "f1@20": "F1@20",
}
PUBLISHED = Published(
    by="a famous notebook",
    ratings=1,
    interactions=2,
    users=3,
    items=4,
    train_users=5,
    items_in_train=6,
    validation_held_out_pairs=7,
    test_held_out_pairs=8,
    items_in_train_sha256="ab" * 32,
    validation_held_out_pairs_sha256="bc" * 32,
    test_held_out_pairs_sha256="cd" * 32,
)
NO_USAGE = pd.DataFrame({"codebook": [], "perplexity": [], "dead": []})
EXPERIMENT = Experiment(
    dataset="tiny",
    title="a tiny set",
    caution="",
    is_made_up=False,
    compare_with_paper=False,
    published=None,
    split=SplitSettings(threshold=3.5, min_user_interactions=5, held_out_users=20, held_out_share=0.2, seed=7),
    seeds=[0, 1],
)


def row(
    name: str, ndcg: Sequence[float], size: float = 800.0, twin: str | None = None, post_hoc: str | None = None
) -> RowResult:
    """A row of the family trained if it has a float twin, else of floats."""
    groups = {group_column(group): [0.1 * (group + 1)] * len(ndcg) for group in range(4)}
    return RowResult(
        name=name,
        base=name,
        family="trained" if twin else "float",
        stored="200 × float32",
        float_twin=twin,
        post_hoc_twin=post_hoc,
        bytes_per_user=size,
        shared_bytes=204800,
        variance_lost=0.125 if twin else 0.0,
        fit_errors=[],
        spectrum=[] if twin else [0.6, 0.3, 0.1],
        centroids=None,
        metrics=METRICS,
        per_user=pd.DataFrame(
            {
                "fold_in": range(4, 4 + len(ndcg)), "ndcg@100": ndcg, "recall@20": 0.5, "recall@50": 0.6,
                "precision@20": 0.2, "f1@20": 0.3, **groups,
            }
        ),
        ndcg=np.array(ndcg) + np.array([[-0.1], [0.0], [0.1]]),
        validation_ndcg=float(np.mean(ndcg)),
        code_usage=pd.DataFrame({"codebook": [1, 2], "perplexity": [100.0, 200.0], "dead": [3, 5]})
        if twin
        else NO_USAGE,
    )  # fmt: skip


FLOAT = row("dae-200-200-200", [0.3, 0.5, 0.4])
POST_HOC = replace(row("dae-200-200-200-pq-40x5", [0.29, 0.41, 0.38], 40.0, FLOAT.name), family="product")
QUANTIZED = row("pq-vae-200-200-40x5", [0.27, 0.45, 0.36], 40.0, FLOAT.name, POST_HOC.name)

GUIDED = replace(
    row(f"{QUANTIZED.name}-mixture", [0.28, 0.47, 0.38], 40.0, FLOAT.name),
    base=QUANTIZED.base,
    encoder="mixture",
    nearest_twin=QUANTIZED.name,
)

SERVED = Served(
    seed=0,
    code_bytes=40,
    store_bytes_per_user=56.0,
    users_without_code=1,
    ways=pd.DataFrame(
        {"way": ["dense", "tables"], "memory_bytes": [16_000_000, 200_000_000], "overlap": [1.0, 0.99998]}
    ),
    ndcg={"dense": QUANTIZED.ndcg[0], "tables": QUANTIZED.ndcg[0] + [0, 0.003, 0]},
    row_ndcg=QUANTIZED.ndcg[0],
)


def results(*rows: RowResult, **more: Any) -> Results:
    """Of these rows and nothing else, unless it is given."""
    return Results(
        rows=rows,
        bootstrap=BOOTSTRAP,
        **{
            "item_rows": [],
            "curves": {"dae-200-200-200": _curve(), "pq-vae-200-200-40x5": _curve()},
            "protocol": {"users": 10, "train_users": 1234, "items_in_train_sha256": "ab" * 32},
            "users": pd.DataFrame({"interactions": [5, 9, 7]}),
            "items": pd.DataFrame({"item": [7, 10**12, 9], "interactions": [5, 2, 1], "title": ["B", "A, or NA", ""]}),
            **more,
        },
    )


def full_results() -> Results:
    """With something in every table of the report."""
    kmeans = replace(
        row("20", [0.2, 0.3, 0.4], 1, FLOAT.name), base="dae-kmeans", family="whole", centroids=4, fit_errors=[2.0, 1.5]
    )
    nothing = replace(row("popularity", [0.1, 0.1, 0.1], 0), family="reference")
    nothing = replace(nothing, ndcg=nothing.ndcg[1:2])
    history = replace(row("ease", [0.4, 0.5, 0.6], 264.25), family="reference", stored="items", variance_lost=None)
    users = pd.DataFrame({"user": [0, 1, 2], "seed": 0, "before": [0.3, 0.4, 0.5], "after": [0.3, 0.5, 0.6]})
    budgets = pd.DataFrame(
        {
            "budget": 10, "user": [0, 1, 2], "seed": 0, "quarter": [1, 1, 4], "bytes": [8.25, 8.25, 12.25],
            "ndcg_flat": [0.3, 0.2, 0.5], "ndcg": [0.3, 0.25, 0.6],
        }
    )  # fmt: skip
    return results(
        nothing,
        history,
        FLOAT,
        row("dae-200", [0.2, 0.6, 0.4]),
        QUANTIZED,
        POST_HOC,
        kmeans,
        item_rows=[FLOAT, row("dae-200-200-200-pq-40x5-both", [0.1, 0.4, 0.4], 119.125, FLOAT.name)],
        refits={"dae-200": users.assign(row=POST_HOC.name)},
        refit_epochs={POST_HOC.name: [3, 0]},
        budgets={"rq-vae": budgets},
        served={QUANTIZED.name: SERVED},
    )


def tables_of(made_up: Results, folder: Path) -> Tables:
    """Every table of the report as it is read back."""
    tables: dict[str, pd.DataFrame] = {}
    for section in SECTIONS:
        if isinstance(section, SectionWithData):
            tables |= section.data(made_up)
    for number, (name, columns) in enumerate(table_columns().items()):
        write_table(tables[name], folder / f"{number}.csv", columns.all_text)
        tables[name] = read_table(folder / f"{number}.csv", columns.all_text)
    return tables


def cells(markdown: str) -> list[list[str]]:
    """Those of the first Markdown table, without its rule."""
    lines = markdown.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.split("|")[1:-1]])
    return [table[0], *table[2:]]


def _curve() -> pd.DataFrame:
    return pd.DataFrame(
        {"seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "loss": [5.0, 4, 7, 6], "validation_ndcg": np.arange(4) / 10}
    )
