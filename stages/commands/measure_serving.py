"""Measure how long it takes to serve users: to encode them, to look them up, and to rank the items.

python -m stages.commands.measure_serving --dataset ml-latest-small

Writes reports/<dataset>/serving.md, its picture, and serving.json, which `advise` reads. Times differ from run to run,
so this is run by hand, on a machine that does nothing else, and is no stage. It takes about 3 minutes.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import numpy as np
import torch
from scipy.sparse import csr_array, vstack

from stages.config.reader import read_params
from stages.evaluate_serving import ways_of_scoring
from stages.interfaces.split import Split, load_split
from stages.reporting.drawing import new_report
from stages.reporting.figures import write_picture
from stages.reporting.result_tables import integers, read_parquet
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError
from stages.run.facts import machine
from stages.run.json_files import write_json
from stages.serving.evaluation import EXACT
from stages.serving.package.files import load_exported
from stages.serving.package.package import Package
from stages.serving.scoring.dense import Dense
from stages.serving.store.store import open_store
from stages.serving.times import Machine, ServingTimes, UserTimes, WayTimes
from stages.serving.times_page import PICTURE, draw, words_of
from stages.serving.timing import Users, overlap, time_encoding, time_looking_up, time_ranking, with_more_items

MILLION = 1_000_000


def measure_serving(dataset: Dataset) -> None:
    """Measure every row under serving in params.yaml, by every way of scoring, with its items and with a million."""
    params = read_params()
    if not params.serving.rows:
        raise UserError("params.yaml hands no row over; name some under serving.rows, then run the stages export to it")
    split = load_split(paths.split(dataset))
    histories = csr_array(vstack([split.train, split.validation.fold_in, split.test.fold_in], format="csr"))
    ways: list[WayTimes] = []
    of_users: list[UserTimes] = []
    for row in params.serving.rows:
        package = load_exported(paths.package(dataset, row))
        users, times = _users(dataset, row, package, split, histories)
        of_users.append(times)
        for way in _ways(dataset, row, package, users, params.serving.memory * 1e9):
            ways.append(way)
            print(f"{row}, {way.way}, {way.n_items:,} items: {way.p50:,.1f} µs a query", flush=True)
    times_of_all = ServingTimes(machine=_machine(), ways=ways, users=of_users)
    command = f"python -m stages.commands.measure_serving --dataset {dataset}"
    performance = paths.REPORTS / "performance.json"
    entries = json.loads(performance.read_text(encoding="utf-8")) if performance.exists() else {}
    with new_report(paths.report(dataset)) as folder:
        write_json(times_of_all.model_dump(), folder / "serving.json")
        write_picture(PICTURE, partial(draw, times_of_all), folder)
        page = words_of(times_of_all, params.dataset(dataset).title, command, entries)
        (folder / "serving.md").write_text(page + "\n", encoding="utf-8")
    print(paths.report(dataset) / "serving.md")


def _users(dataset: str, row: str, package: Package, split: Split, histories: csr_array) -> tuple[Users, UserTimes]:
    """The users of the store that have a code, and how long they take."""
    with open_store(paths.users(dataset, row) / "store", package.digest) as store:
        codes, coded = store.codes(split.users)
        seen = np.split(histories.indices.astype(np.int64), histories.indptr[1:-1])
        users = Users(split.users[coded], codes[coded], [seen[user] for user in np.flatnonzero(coded)])
        look_up_p50, look_up_p99, per_second = time_looking_up(store, users, np.random.default_rng(0))
        n_users = len(store)
    encode, encode_one = time_encoding(package, histories)
    return users, UserTimes(
        row=row,
        n_users=n_users,
        encode=encode,
        encode_one=encode_one,
        look_up_p50=look_up_p50,
        look_up_p99=look_up_p99,
        looked_up_per_second=per_second,
    )


def _ways(dataset: str, row: str, package: Package, users: Users, memory_bytes: float) -> Iterator[WayTimes]:
    per_user = read_parquet(paths.served(dataset) / row / "per_user.parquet", "evaluate-serving", {"user": integers})
    n_own = len(package.items.bias)
    larger = [with_more_items(package, MILLION, np.random.default_rng(0))] if n_own < MILLION else []
    for catalogue in [package, *larger]:
        items, made_up = catalogue.items, catalogue is not package
        exact = Dense(catalogue)
        for name, scorer in ways_of_scoring(catalogue, memory_bytes):
            ranking = time_ranking(scorer, users, len(items.bias))
            yield WayTimes(
                row=row,
                way=name,
                n_items=len(items.bias),
                made_up=made_up,
                memory_bytes=items.weight.nbytes + items.bias.nbytes + scorer.memory_bytes,
                users_per_second=ranking.users_per_second,
                p50=ranking.p50,
                p99=ranking.p99,
                overlap=1.0 if name == EXACT else overlap(scorer, exact, users, len(items.bias)),
                ndcg=None if made_up else float(per_user[name].mean()),
            )


def _machine() -> Machine:
    today = datetime.now(UTC).date().isoformat()
    return Machine.model_validate(machine() | {"date": today, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    run(measure_serving)
