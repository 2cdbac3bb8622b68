"""Write a data set's report: tables, figures and metrics.json.

python -m stages.report --dataset ml-latest-small
"""

import json
import shutil
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from stages.config import dataset as catalogue
from stages.config import model as schema
from stages.config.params import Params, read_params
from stages.reporting import figures, tables
from stages.reporting.budgets import budget_lines, budget_table
from stages.reporting.comparisons import Comparison, compare_with_twins
from stages.reporting.frontier import all_rows, codebook_sizes, frontier_table, item_table, knee_of, standings
from stages.reporting.page import render_page
from stages.reporting.reading import (
    read,
    read_distribution,
    read_items,
    read_json,
    read_row,
    records_of,
    warn_of_leftovers,
)
from stages.reporting.results import METRICS, RowResult
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.statistics.bootstrap import Bootstrap

TEMPLATES = Path(__file__).parent / "reporting"
OWN = ("reference", "float", "trained")  # families that are not quantized after training


def report(dataset: Dataset) -> None:
    """Collect the results of every row in params.yaml and write the report."""
    params = read_params()
    if not params.models:
        raise UserError("params.yaml has no models, so there is nothing to report; restore an entry under models")
    settings = params.dataset(dataset)
    rows = [read_row(params, dataset, row) for row in params.rows()]
    curves = _stack(
        {
            name: read(paths.curves(dataset, name), pd.read_csv)
            .drop(columns="seed")
            .groupby("epoch", as_index=False)
            .mean()
            for name in params.models
        }
    )
    warn_of_leftovers(dataset, params)
    activity = {row.name: tables.by_activity(row) for row in rows}
    popularity = {row.name: tables.by_popularity(row) for row in rows}
    bootstrap = Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed)
    comparisons = compare_with_twins(rows, bootstrap)
    stored = [row for row in rows if row.bytes_per_user > 0]
    table = all_rows(rows, comparisons, standings(stored, bootstrap))
    items = _item_table(read_items(params, dataset), bootstrap)
    budgets = _budget_lines(params, dataset, bootstrap)
    sizes = codebook_sizes(params, rows)
    content = _content(dataset, params, rows, comparisons, bootstrap) | {
        "frontier": tables.markdown(frontier_table(table[table["bytes_per_user"] > 0])),
        "items": tables.markdown(item_table(items)),
        "budgets": tables.markdown(budget_table(budgets)),
        "refits": tables.markdown(_refits(params, dataset, bootstrap)),
        "item_bytes": tables.listing(
            f"{4 * (params.models[name].hidden[0] + params.models[name].hidden[-1]):,} bytes per item"
            for name in params.quantized_items
        )
        or "–",
        "knees": [(name, knee_of(some)) for name, some in sizes.groupby("row", sort=False)],
        "by_activity": tables.long_tail_table(activity),
        "by_popularity": tables.long_tail_table(popularity),
    }
    # File by file, not the whole folder: what a user keeps beside the report stays.
    with TemporaryDirectory(prefix=".report-") as temporary:
        folder = Path(temporary)
        # A prefix's codes are those of the whole code, which comes first.
        whole_codes = {row.base: row.name for row in reversed(params.rows())}.values()
        drawn = {
            "frontier": table,
            "items": items,
            "budgets": budgets,
            "codebook_size": sizes,
            "convergence": _convergence(rows),
            "curves": curves,
            "code_usage": _stack({row.name: row.code_usage for row in rows if row.name in whole_codes}),
            "distribution": read_distribution(dataset),
            "by_activity": _stack(activity),
            "by_popularity": _stack(popularity),
        }
        _draw(folder / "figures", drawn, rows)
        metrics = {"rows": {row.name: _metrics(row, params.report.digits) for row in rows}}
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        (folder / "frontier.html").write_text(render_page(settings.title, table, items))
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
        )
        (folder / "report.md").write_text(environment.get_template("report.md.j2").render(content))
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with paths.whole_file(paths.report(dataset) / path.relative_to(folder)) as target:
                shutil.copyfile(path, target)
    print(f"{paths.report(dataset) / 'report.md'}: {len(rows)} rows of {settings.title}")


def _metrics(row: RowResult, digits: int) -> dict[str, float]:
    values = {**{metric: row.mean(metric) for metric in METRICS}, "bytes_per_user": row.bytes_per_user}
    return {name: round(value, digits) for name, value in values.items()}


def _item_table(rows: list[RowResult], bootstrap: Bootstrap) -> pd.DataFrame:
    """As `all_rows`, of item tables."""
    comparisons = compare_with_twins(rows, bootstrap)
    table = all_rows(rows, comparisons, standings(rows, bootstrap))
    return table.rename(columns={"bytes_per_user": "bytes_per_item"})


def _budget_lines(params: Params, dataset: str, bootstrap: Bootstrap) -> pd.DataFrame:
    lines = [
        budget_lines(read(paths.budget(dataset, name) / "test_users.parquet", pd.read_parquet), name, bootstrap)
        for name in params.budgets
    ]
    return pd.concat(lines, ignore_index=True) if lines else pd.DataFrame()


def _refits(params: Params, dataset: str, bootstrap: Bootstrap) -> pd.DataFrame:
    """For people: rows before and after their output layer was trained on."""
    lines = []
    for name in params.refits:
        folder = paths.refits(dataset, name)
        epochs = read(folder / "epochs.json", read_json)
        for row, users in read(folder / "test_users.parquet", pd.read_parquet).groupby("row", sort=False):
            value, low, high = bootstrap.difference(users["after"].to_numpy(), users["before"].to_numpy())
            lines.append(
                {
                    "row": f"`{row}`",
                    "NDCG@100": f"{users['before'].mean():.4f}",
                    "refitted": f"{users['after'].mean():.4f}",
                    "difference (95 % CI)": f"{value:+.4f} ({low:+.4f} to {high:+.4f})",
                    "epochs kept, by seed": ", ".join(map(str, epochs[row])),
                }
            )
    return pd.DataFrame(lines)


def _convergence(rows: list[RowResult]) -> pd.DataFrame:
    """Columns row, iteration, error, of k-means."""
    return _stack(
        {
            row.name: pd.DataFrame({"iteration": range(1, len(row.kmeans_errors) + 1), "error": row.kmeans_errors})
            for row in rows
            if row.kmeans_errors
        }
    )


def _draw(folder: Path, drawn: dict[str, pd.DataFrame], rows: list[RowResult]) -> None:
    """Every figure, and beside it the table that it is drawn from."""
    folder.mkdir()
    styles = figures.line_styles([row.name for row in rows] + drawn["curves"]["row"].tolist())
    figures.draw_frontier(drawn["frontier"], folder / "frontier.png")
    figures.draw_curves(drawn["curves"], styles, folder / "curves.png")
    figures.draw_code_usage(drawn["code_usage"], styles, folder / "code_usage.png")
    figures.draw_codebook_size(drawn["codebook_size"], drawn["convergence"], folder / "codebook_size.png")
    own = [row.name for row in rows if row.family in OWN]  # all would be a tangle
    activity, popularity = (table[table["row"].isin(own)] for table in (drawn["by_activity"], drawn["by_popularity"]))
    figures.draw_long_tail(drawn["distribution"], activity, popularity, styles, folder / "long_tail.png")
    for name, table in drawn.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")


def _stack(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All tables in one, with the row of the report that each is of."""
    stacked = [table.assign(row=name) for name, table in tables.items()]
    if not stacked:
        return pd.DataFrame()
    return pd.concat([table for table in stacked if len(table)] or stacked, ignore_index=True)


def _content(
    dataset: str,
    params: Params,
    rows: list[RowResult],
    comparisons: dict[str, Comparison],
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    settings = params.dataset(dataset)
    found = read(paths.split(dataset) / "protocol.json", read_json)
    published = settings.published
    differences = published.differences(found) if published else []
    for difference in differences:
        print(f"WARNING: this is not the published split: {difference}", file=sys.stderr)
    is_made_up = isinstance(settings.source, catalogue.SyntheticSource)
    in_paper = [row.name for row in tables.rows_of_the_paper(rows)]
    return {
        "title": f"synthetic data, {settings.title}" if is_made_up else settings.title,
        "caution": settings.caution,
        "is_made_up": is_made_up,
        "differences": differences,
        "protocol": tables.protocol_table(found, published.model_dump() if published else None),
        "is_published": published is not None,
        "most_popular": tables.most_popular(
            read(paths.split(dataset) / "items.parquet", pd.read_parquet), found["users"]
        ),
        "with_paper": settings.compare_with_paper,
        "order": "" if is_made_up else tables.order_of_rows(rows, bootstrap),
        "in_short": tables.in_short(rows, comparisons),
        "table_1": tables.accuracy_table(rows, in_paper, comparisons, settings.compare_with_paper),
        "beside": tables.accuracy_table(
            rows,
            [row.name for row in rows if row.name not in in_paper and row.family in OWN],
            comparisons,
            False,
        ),
        "gains": tables.gain_table(rows, comparisons),
        "latents": [
            (name, tables.sizes(4 * model.hidden[len(model.hidden) // 2]))
            for name, model in params.models.items()
            if isinstance(model, schema.Vae)
        ],
        "dataset": dataset,
        "studies": [
            (name, study.model, (paths.report(dataset) / "studies" / f"{name}.md").exists())
            for name, study in params.studies.items()
        ],
        "n_users": f"{len(rows[0].per_user):,}",
        "n_train": f"{found['train_users']:,}",
        "code_usage": tables.code_usage_table(rows),
        **_what_was_run(dataset, params),
    }


def _what_was_run(dataset: str, params: Params) -> dict[str, Any]:
    """Files, code, machine and versions, seeds, time and parameters."""
    settings = params.dataset(dataset)
    records = {path.stem: read(path, read_json) for path in records_of(dataset, params)}
    fits = {name: records[f"fit-{name}"] for name in params.references} | {
        name: records[f"train-{name}"] for name in params.models
    }
    packages = [f"{name} {version}" for record in records.values() for name, version in record["packages"].items()]
    return {
        "files": [(name, file["sha256"]) for name, file in records["download"]["files"].items()],
        "revisions": tables.listing(record["revision"] for record in records.values()),
        "machines": tables.listing(f"{record['cpu']}, {record['cores']} cores" for record in records.values()),
        "devices": tables.listing(record["device"] for record in records.values() if "device" in record),
        "versions": tables.listing([f"Python {record['python']}" for record in records.values()] + packages),
        "split_seed": settings.split.seed,
        "seeds": tables.listing(params.seeds),
        "quantizer_seeds": [(name, entry.seed) for name, entry in params.quantizers.items() if hasattr(entry, "seed")],
        "costs": tables.cost_table(fits),
        "seconds": sum(record["seconds"] for record in records.values()),
        "stages": tables.markdown(
            pd.DataFrame(
                [
                    {
                        "stage": name,
                        "started (UTC)": record["started"].removesuffix("+00:00"),
                        "seconds": f"{record['seconds']:.1f}",
                        "peak memory": f"{record['peak_memory_bytes'] / 1e9:.2f} GB",
                        "threads": record.get("threads", "–"),
                        "revision": record["revision"],
                    }
                    for name, record in records.items()
                ]
            )
        ),
        "parameters": _yaml(
            {
                "datasets": {dataset: settings.model_dump(exclude_none=True)},
                **params.model_dump(exclude={"run", "datasets", "report"}, exclude_none=True),
            }
        ),
    }


def _yaml(content: dict[str, Any]) -> str:
    yaml, stream = YAML(), StringIO()
    yaml.dump(content, stream)
    return stream.getvalue().rstrip()


if __name__ == "__main__":
    run(report)
