"""Write a data set's report: tables, figures and metrics.json.

python -m stages.report --dataset ml-latest-small
"""

import json
import shutil
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML

from stages import catalogue, paths
from stages import params as schema
from stages.command_line import Dataset, run
from stages.errors import UserError
from stages.params import Params, Row, read_params
from stages.reporting import figures, tables
from stages.reporting.results import RowResult

TEMPLATES = Path(__file__).parent / "reporting"
POINTS_OF_A_TAIL = 200


def report(dataset: Dataset) -> None:
    """Collect the results of every row in params.yaml and write the report."""
    params = read_params()
    settings = params.dataset(dataset)
    rows = [_read_row(params, dataset, row) for row in params.rows()]
    curves = _stack({name: _read(paths.curves(dataset, name), pd.read_csv) for name in params.models})
    _warn_of_leftovers(dataset, params)
    activity = {row.name: tables.by_activity(row) for row in rows}
    popularity = {row.name: tables.by_popularity(row) for row in rows}
    content = _content(dataset, params, rows) | {
        "by_activity": tables.long_tail_table(activity),
        "by_popularity": tables.long_tail_table(popularity),
    }
    # File by file, not the whole folder: what a user keeps beside the report stays.
    with TemporaryDirectory(prefix=".report-") as temporary:
        folder = Path(temporary)
        _draw(folder / "figures", rows, curves, _distribution(dataset), activity, popularity)
        metrics = {"rows": {row.name: _metrics(row, params.report.digits) for row in rows}}
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
        )
        (folder / "report.md").write_text(environment.get_template("report.md.j2").render(content))
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with paths.whole_file(paths.report(dataset) / path.relative_to(folder)) as target:
                shutil.copyfile(path, target)
    print(f"{paths.report(dataset) / 'report.md'}: {len(rows)} rows of {settings.title}")


def _read_row(params: Params, dataset: str, row: Row) -> RowResult:
    folder = paths.evaluation(dataset, row.name)
    if not folder.is_dir():
        raise UserError(f"there is no evaluation of {row.name} at {folder}; run: dvc repro report@{dataset}")
    result = _read(folder / "metrics.json", _json)
    family, stored, float_twin = _describe(params, row)
    return RowResult(
        name=row.name,
        family=family,
        stored=stored,
        float_twin=float_twin,
        bytes_per_user=result["bytes_per_user"],
        shared_bytes=result["shared_bytes"],
        mean=result["mean"],
        standard_error=result["standard_error"],
        per_user=_read(folder / "per_user.parquet", pd.read_parquet),
        code_usage=_read(folder / "code_usage.csv", pd.read_csv),
    )


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    """What `read` makes of a result of an earlier stage."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged; remove it, and let dvc repro make it again") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _describe(params: Params, row: Row) -> tuple[str, str, str | None]:
    """Family, what is stored per user, and the float twin of a row."""
    model = params.models[row.model]
    if row.quantizer is not None:
        return "post-hoc", f"{params.quantizers[row.quantizer].chunks} codes of 8 bits", row.model
    match model:
        case schema.Popularity():
            return "reference", "nothing", None
        case schema.Ease():
            return "reference", "items, int32", None
        case schema.Dae(bottleneck=schema.ProductBottleneck() as bottleneck):
            twins = (
                name
                for name, other in params.models.items()
                if isinstance(other, schema.Dae) and other.bottleneck is None and other.hidden == model.hidden
            )
            return "trained", f"{bottleneck.chunks} codes of 8 bits", next(twins, None)
        case _:
            return "float", f"{model.hidden[-1]} × float32", None


def _metrics(row: RowResult, digits: int) -> dict[str, float]:
    values = {**row.mean, "bytes_per_user": row.bytes_per_user}
    return {name: round(value, digits) for name, value in values.items()}


def _draw(
    folder: Path,
    rows: list[RowResult],
    curves: pd.DataFrame,
    distribution: pd.DataFrame,
    activity_of: dict[str, pd.DataFrame],
    popularity_of: dict[str, pd.DataFrame],
) -> None:
    """Every figure, and beside it the table that it is drawn from; activity_of, popularity_of : by row."""
    folder.mkdir()
    frontier = pd.DataFrame(
        {
            "row": [row.name for row in rows],
            "family": [row.family for row in rows],
            "bytes_per_user": [row.bytes_per_user for row in rows],
            "ndcg@100": [row.mean["ndcg@100"] for row in rows],
            "standard_error": [row.standard_error["ndcg@100"] for row in rows],
        }
    )
    usage = _stack({row.name: row.code_usage for row in rows})
    activity, popularity = _stack(activity_of), _stack(popularity_of)
    styles = figures.line_styles(row.name for row in rows)
    figures.draw_frontier(frontier, folder / "frontier.png")
    figures.draw_curves(curves, styles, folder / "curves.png")
    figures.draw_code_usage(usage, styles, folder / "code_usage.png")
    figures.draw_long_tail(distribution, activity, popularity, styles, folder / "long_tail.png")
    for name, table in {
        "frontier": frontier,
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
    return pd.concat([table for table in stacked if len(table)] or stacked, ignore_index=True)


def _content(dataset: str, params: Params, rows: list[RowResult]) -> dict[str, Any]:
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
        "order": "" if is_made_up else tables.order_of_rows(rows),
        "in_short": tables.in_short(rows),
        "table_1": tables.accuracy_table(rows, in_paper, settings.compare_with_paper),
        "beside": tables.accuracy_table(rows, [row.name for row in rows if row.name not in in_paper], False),
        "latents": [
            (name, tables.sizes(4 * model.hidden[len(model.hidden) // 2]))
            for name, model in params.models.items()
            if isinstance(model, schema.Vae)
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
    packages = [f"{name} {version}" for record in records.values() for name, version in record["packages"].items()]
    return {
        "files": [(name, file["sha256"]) for name, file in records["download"]["files"].items()],
        "revisions": tables.listing(record["revision"] for record in records.values()),
        "machines": tables.listing(f"{record['cpu']}, {record['cores']} cores" for record in records.values()),
        "devices": tables.listing(record["device"] for record in records.values() if "device" in record),
        "versions": tables.listing([f"Python {record['python']}" for record in records.values()] + packages),
        "split_seed": settings.split.seed,
        "training_seed": params.training.seed,
        "quantizer_seeds": [(name, quantizer.seed) for name, quantizer in params.quantizers.items()],
        "costs": tables.cost_table(params.rows(), records),
        "seconds": sum(record["seconds"] for record in records.values()),
        "stages": tables.markdown(
            pd.DataFrame(
                [
                    {
                        "stage": name
                        + (f", from epoch {record['resumed_after_epoch']}" if "resumed_after_epoch" in record else ""),
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
    names += [f"train-{name}" for name in params.models]
    names += [f"quantize-{row.name}" for row in params.rows() if row.quantizer]
    names += [f"evaluate-{row.name}" for row in params.rows()]
    return [paths.record(dataset, name) for name in names]


def _warn_of_leftovers(dataset: str, params: Params) -> None:
    """DVC keeps the outputs of a stage that is no more, and counts them as dependencies of this one."""
    expected = {paths.evaluation(dataset, row.name) for row in params.rows()}
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
