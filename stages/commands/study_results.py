"""The tables and pages of studies."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.config.params import Params
from stages.config.strict import Variant
from stages.reporting.csv_files import write_table
from stages.reporting.sections import paper_gap
from stages.reporting.sections.paper_gap import FittedRow
from stages.reporting.tables import markdown
from stages.reporting.wording import UNKNOWN, difference, paragraphs
from stages.run import paths
from stages.run.files import whole_file
from stages.run.text import literal
from stages.statistics.bootstrap import Bootstrap


class StudiedRow(NamedTuple):
    """One variant of the model, stored in one variant of its codes."""

    model_variant: str
    stored: Variant
    ndcg: np.ndarray
    """float64 (n_seeds, n_users), NDCG@100 of the validation users with held-out interactions."""


def write_study(params: Params, dataset: str, study: str, rows: list[StudiedRow]) -> None:
    """Write the table of a study of a model's variants and its page, and print the table."""
    table = _table(rows, _bootstrap(params))
    with whole_file(paths.study_table(dataset, study)) as temporary:
        table.to_csv(temporary, index=False)
    shown = markdown(table.assign(variant=table["variant"].map(literal)))
    _write_page(
        params,
        dataset,
        study,
        f"variants of {params.studies[study].model}",
        shown,
        f"{_measured(params, rows[0].ndcg)}; "
        "the difference is to the first variant that stores the same, with its 95 % confidence interval, from a "
        "bootstrap over users and seeds, paired by both. The test users were not looked at.",
    )


def write_fits(params: Params, dataset: str, study: str, rows: list[FittedRow]) -> None:
    """Write the table of a study of fits and its page, and print the table."""
    table = paper_gap.losses(rows, _bootstrap(params))
    with whole_file(paths.study_table(dataset, study)) as temporary:
        write_table(table, temporary, paper_gap.COLUMNS.all_text)
    title, on_paper = params.dataset(dataset).title, params.dataset(dataset).compare_with_paper
    _write_page(
        params,
        dataset,
        study,
        f"what {params.studies[study].model} loses by codes that are fitted after training",
        paper_gap.shown(table),
        f"{_measured(params, rows[0].ndcg)}. Losses are relative, with 95 % confidence intervals from a bootstrap over "
        "users and seeds, paired by both, and not corrected for their number; where a loss is negative, the line ranks "
        "better. The test users were not looked at.",
        paper_gap.explained(table, title, on_paper),
    )
    print(f"to show it in the report: python -m stages.commands.draw --dataset {dataset}")


def _bootstrap(params: Params) -> Bootstrap:
    return Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed)


def _measured(params: Params, ndcg: np.ndarray) -> str:
    return f"NDCG@100 on {ndcg.shape[1]:,} validation users, means of seeds {', '.join(map(str, params.seeds))}"


def _write_page(params: Params, dataset: str, study: str, subject: str, shown: str, *words: str) -> None:
    path = paths.study_table(dataset, study).with_suffix(".md")
    title = f"# {study}: {subject} on {literal(params.dataset(dataset).title)}"
    with whole_file(path) as temporary:
        temporary.write_text(paragraphs(title, shown, *words) + "\n", encoding="utf-8")
    print(shown)
    print(path)


def _table(rows: list[StudiedRow], bootstrap: Bootstrap) -> pd.DataFrame:
    base_of: dict[Variant, np.ndarray] = {}
    lines = []
    for name, variant, ndcg in rows:
        base = base_of.setdefault(variant, ndcg)
        lines.append(
            {
                "variant": name,
                "stored": f"{variant} bytes" if isinstance(variant, int) else variant or "all",
                "NDCG@100": f"{ndcg.mean():.4f}",
                "difference (95 % CI)": UNKNOWN if base is ndcg else difference(*bootstrap.difference(ndcg, base)),
            }
        )
    return pd.DataFrame(lines)
