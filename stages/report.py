"""Write a data set's report: tables, figures and metrics.json.

python -m stages.report --dataset ml-latest-small
"""

import json
import shutil
import sys
from collections.abc import Callable, Collection
from io import StringIO
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from stages import catalogue, paths, schema
from stages.command_line import Dataset, run
from stages.errors import UserError
from stages.params import Params, Row, read_params
from stages.ranking.paired import Bootstrap
from stages.reporting import figures, tables
from stages.reporting.comparisons import Comparison, compare_with_twins
from stages.reporting.frontier import all_rows, codebook_sizes, frontier_table, item_table, knee_of, standings
from stages.reporting.kinds import family_of, item_tables_in_words, stored_in_words, twins
from stages.reporting.page import render_page
from stages.reporting.results import METRICS, RowResult

TEMPLATES = Path(__file__).parent / "reporting"
POINTS_OF_A_TAIL = 200
OWN = ("reference", "float", "trained")  # families that are not quantized after training


def report(dataset: Dataset) -> None:
    """Collect the results of every row in params.yaml and write the report."""
    params = read_params()
    if not params.models:
        raise UserError("params.yaml has no models, so there is nothing to report; restore an entry under models")
    settings = params.dataset(dataset)
    rows = [_read_row(params, dataset, row) for row in params.rows()]
    curves = _stack(
        {
            name: _read(paths.curves(dataset, name), pd.read_csv)
            .drop(columns="seed")
            .groupby("epoch", as_index=False)
            .mean()
            for name in params.models
        }
    )
    _warn_of_leftovers(dataset, params)
    activity = {row.name: tables.by_activity(row) for row in rows}
    popularity = {row.name: tables.by_popularity(row) for row in rows}
    bootstrap = Bootstrap(params.report.bootstrap_resamples, params.report.bootstrap_seed)
    comparisons = compare_with_twins(rows, bootstrap)
    stored = [row for row in rows if row.bytes_per_user > 0]
    table = all_rows(rows, comparisons, standings(stored, bootstrap))
    items = _items(params, dataset, rows, bootstrap)
    sizes = codebook_sizes(params, rows)
    content = _content(dataset, params, rows, comparisons, bootstrap) | {
        "frontier": tables.markdown(frontier_table(table[table["bytes_per_user"] > 0])),
        "items": tables.markdown(item_table(items)),
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
        _draw(
            folder / "figures",
            rows,
            table,
            items,
            sizes,
            whole_codes,
            curves,
            _distribution(dataset),
            activity,
            popularity,
        )
        metrics = {"rows": {row.name: _metrics(row, params.report.digits) for row in rows}}
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        digits = params.report.digits
        page = render_page(settings.title, table.round(digits), items.round(digits))
        (folder / "frontier.html").write_text(page)
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
        )
        (folder / "report.md").write_text(environment.get_template("report.md.j2").render(content))
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with paths.whole_file(paths.report(dataset) / path.relative_to(folder)) as target:
                shutil.copyfile(path, target)
    print(f"{paths.report(dataset) / 'report.md'}: {len(rows)} rows of {settings.title}")


def _read_row(params: Params, dataset: str, row: Row) -> RowResult:
    of_model = paths.quantized_evaluation if row.quantizer else paths.evaluation
    folder = of_model(dataset, row.model) / row.name
    if not folder.is_dir():
        raise UserError(f"there is no evaluation of {row.name} at {folder}; run: dvc repro report@{dataset}")
    stored = _read(folder / "stored.json", _json)
    per_user = _read(folder / "per_user.parquet", pd.read_parquet)
    usage = _read(folder / "code_usage.csv", pd.read_csv)
    record = _read(paths.record(dataset, f"evaluate-{'quantized-' if row.quantizer else ''}{row.model}"), _json)
    fit_seconds = None
    if row.quantizer:
        fits = _read(paths.record(dataset, f"quantize-{row.model}"), _json)["fit_seconds"]
        fit_seconds = fmean(fits[row.quantizer])
    float_twin, post_hoc_twin = twins(params, row)
    return RowResult(
        name=row.name,
        family=family_of(params, row),
        stored=stored_in_words(params, row),
        float_twin=float_twin.name if float_twin else None,
        post_hoc_twin=post_hoc_twin.name if post_hoc_twin else None,
        **stored,
        fit_seconds=fit_seconds,
        encode_us=record["microseconds"][row.name]["encode"],
        decode_us=record["microseconds"][row.name]["decode"],
        per_user=per_user.drop(columns=["user_id", "seed"]).groupby("user", as_index=False).mean(),
        per_seed=per_user.groupby("seed")[list(METRICS)].mean(),
        code_usage=usage.groupby("codebook", as_index=False)[["perplexity", "dead"]].mean(),
    )


def _items(params: Params, dataset: str, users: list[RowResult], bootstrap: Bootstrap) -> pd.DataFrame:
    """As `all_rows`, of the rows whose item tables are quantized; their bytes are per item, of both tables."""
    rows = []
    for row in params.item_rows():
        folder = paths.item_evaluation(dataset, row.model) / row.name
        stored = _read(folder / "stored.json", _json)
        per_user = _read(folder / "per_user.parquet", pd.read_parquet)
        record = _read(paths.record(dataset, f"quantize-items-{row.model}"), _json)
        rows.append(
            RowResult(
                name=row.name,
                family=family_of(params, row.users),
                stored=item_tables_in_words(params, row),
                float_twin=row.model,
                post_hoc_twin=None,
                **stored,
                fit_seconds=fmean(record["fit_seconds"][row.quantizer]),
                encode_us=record["microseconds"][row.name]["encode"],
                decode_us=record["microseconds"][row.name]["decode"],
                per_user=per_user.drop(columns="seed").groupby("user", as_index=False).mean(),
                per_seed=per_user.groupby("seed")[list(METRICS)].mean(),
                code_usage=pd.DataFrame(),
            )
        )
    comparisons = compare_with_twins([*users, *rows], bootstrap)
    return all_rows(rows, comparisons, standings(rows, bootstrap)).rename(columns={"bytes_per_user": "bytes_per_item"})


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    """What `read` makes of a result of an earlier stage."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged; remove it, and let dvc repro make it again") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _metrics(row: RowResult, digits: int) -> dict[str, float]:
    values = {**{metric: row.mean(metric) for metric in METRICS}, "bytes_per_user": row.bytes_per_user}
    return {name: round(value, digits) for name, value in values.items()}


def _draw(
    folder: Path,
    rows: list[RowResult],
    frontier: pd.DataFrame,
    items: pd.DataFrame,
    sizes: pd.DataFrame,
    whole_codes: Collection[str],
    curves: pd.DataFrame,
    distribution: pd.DataFrame,
    activity_of: dict[str, pd.DataFrame],
    popularity_of: dict[str, pd.DataFrame],
) -> None:
    """Every figure, and beside it the table that it is drawn from.

    Parameters
    ----------
    whole_codes : names of the rows that no other row has a longer code of
    activity_of, popularity_of : by row
    """
    folder.mkdir()
    convergence = _stack(
        {
            row.name: pd.DataFrame({"iteration": range(1, len(row.kmeans_errors) + 1), "error": row.kmeans_errors})
            for row in rows
            if row.kmeans_errors
        }
    )
    usage = _stack({row.name: row.code_usage for row in rows if row.name in whole_codes})
    activity, popularity = _stack(activity_of), _stack(popularity_of)
    styles = figures.line_styles([row.name for row in rows] + curves["row"].tolist())
    figures.draw_frontier(frontier, folder / "frontier.png")
    figures.draw_curves(curves, styles, folder / "curves.png")
    figures.draw_code_usage(usage, styles, folder / "code_usage.png")
    figures.draw_codebook_size(sizes, convergence, folder / "codebook_size.png")
    own = [row.name for row in rows if row.family in OWN]  # all would be a tangle
    drawn = [table[table["row"].isin(own)] for table in (activity, popularity)]
    figures.draw_long_tail(distribution, drawn[0], drawn[1], styles, folder / "long_tail.png")
    for name, table in {
        "frontier": frontier,
        "items": items,
        "codebook_size": sizes,
        "convergence": convergence,
        "curves": curves,
        "code_usage": usage,
        "distribution": distribution,
        "by_activity": activity,
        "by_popularity": popularity,
    }.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")


def _distribution(dataset: str) -> pd.DataFrame:
    """Interactions per user and per item by rank, at ranks evenly spaced on a log scale."""
    tails = []
    for of in ("user", "item"):
        counts = _read(paths.split(dataset) / f"{of}s.parquet", pd.read_parquet)["interactions"]
        ordered = counts.sort_values(ascending=False, ignore_index=True)
        ranks = np.unique(np.geomspace(1, len(ordered), POINTS_OF_A_TAIL).astype(int))
        tails.append(pd.DataFrame({"of": of, "rank": ranks, "interactions": ordered.to_numpy()[ranks - 1]}))
    return pd.concat(tails, ignore_index=True)


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
    found = _read(paths.split(dataset) / "protocol.json", _json)
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
            _read(paths.split(dataset) / "items.parquet", pd.read_parquet), found["users"]
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
    records = {path.stem: _read(path, _json) for path in _records(dataset, params)}
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


def _records(dataset: str, params: Params) -> list[Path]:
    """The records of the stages before, in the order of the pipeline."""
    names = ["download", "preprocess"]
    names += [f"fit-{name}" for name in params.references]
    names += [f"train-{name}" for name in params.models]
    names += [f"quantize-{name}" for name in params.quantized_models]
    names += [f"evaluate-{name}" for name in [*params.references, *params.models]]
    names += [f"evaluate-quantized-{name}" for name in params.quantized_models]
    names += [f"quantize-items-{name}" for name in params.quantized_items]
    return [paths.record(dataset, name) for name in dict.fromkeys(names)]


def _warn_of_leftovers(dataset: str, params: Params) -> None:
    """DVC keeps the outputs of a stage that is no more, and counts them as dependencies of this one."""
    expected = {paths.evaluation(dataset, name) for name in [*params.references, *params.models]}
    expected |= {paths.quantized_evaluation(dataset, name) for name in params.quantized_models}
    expected |= {paths.item_evaluation(dataset, name) for name in params.quantized_items}
    expected |= {paths.curves(dataset, name) for name in params.models}
    expected |= set(_records(dataset, params))
    for folder in sorted({path.parent for path in expected}):
        for path in sorted(set(folder.glob("[!.]*")) - expected):
            print(f"warning: {path} belongs to no row of params.yaml and is left out; remove it")


def _yaml(content: dict[str, Any]) -> str:
    yaml, stream = YAML(), StringIO()
    yaml.dump(content, stream)
    return stream.getvalue().rstrip()


if __name__ == "__main__":
    run(report)
