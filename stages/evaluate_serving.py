"""Measure the test users as they are served: looked up in the store, and ranked by every way of scoring.

python -m stages.evaluate_serving --dataset ml-latest-small
"""

from collections.abc import Iterator

from stages.config.reader import read_params
from stages.interfaces.split import load_split
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.facts import recorded
from stages.run.files import whole_folder
from stages.run.json_files import write_json
from stages.serving.evaluation import EXACT, measure_served, store_bytes_per_user
from stages.serving.package.files import load_exported
from stages.serving.package.package import Package
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.planner import choose
from stages.serving.scoring.scorer import Scorer
from stages.serving.scoring.tables import FloatTables
from stages.serving.store.store import open_store


def evaluate_serving(dataset: Dataset) -> None:
    """Write per_user.parquet, NDCG@100 by way of scoring, and serving.json for each row that is handed over."""
    params = read_params()
    test, users = (split := load_split(paths.split(dataset))).test, split.users
    ids = users[-test.fold_in.shape[0] :][test.scored()]
    with recorded(dataset, "evaluate-serving"), whole_folder(paths.served(dataset)) as folder:
        for row in params.serving.rows:
            package = load_exported(paths.package(dataset, row))
            with open_store(paths.users(dataset, row) / "store", package.digest) as store:
                codes, coded = store.codes(ids)
            ways = dict(ways_of_scoring(package, params.serving.memory * 1e9))
            per_user, overlap = measure_served(ways, package.items, codes, coded, test)
            (folder / row).mkdir()
            per_user.to_parquet(folder / row / "per_user.parquet", index=False)
            item_bytes = package.items.weight.nbytes + package.items.bias.nbytes
            served = {
                "seed": params.serving.seed,
                "code_bytes": package.quantizer.n_bytes,
                "store_bytes_per_user": store_bytes_per_user(package.quantizer.n_bytes, folder / row / "store"),
                "users_without_code": int((~coded).sum()),
                "ways": {
                    name: {"memory_bytes": item_bytes + way.memory_bytes, "overlap": overlap[name]}
                    for name, way in ways.items()
                },
            }
            write_json(served, folder / row / "serving.json")
            print(f"{row}: " + "  ".join(f"{name} {per_user[name].mean():.4f}" for name in ways), flush=True)


def ways_of_scoring(package: Package, memory_bytes: float) -> Iterator[tuple[str, Scorer]]:
    """All that fit into so much memory by their names, the exact one first; one after the other, as they are large."""
    yield EXACT, Dense(package)
    if 4 * 256 * package.quantizer.n_bytes * len(package.items.ids) <= memory_bytes:
        yield "tables, float32", FloatTables(package)
    for name, way in {"tables, int8": "tables", "approximate": "approximate"}.items():
        try:
            scorer = choose(package, way, memory_bytes)[0]
        except UserError:
            continue
        yield name, scorer


if __name__ == "__main__":
    run(evaluate_serving)
