"""Bringing data of one's own, in any of its forms; and what is said when it is not as it should be."""

import gzip
import json
import os
import zipfile
from typing import Any, Literal

import pandas as pd
import pytest
from scipy.sparse import coo_array, save_npz

from stages.interfaces.split import load_split
from tests.interactions import literal
from tests.interactions.protocol.test_strong_generalization import as_literal
from tests.pipeline.clone import Clone, tiny_ratings

COLUMNS = {"user": "userId", "item": "movieId", "rating": "rating", "timestamp": "timestamp"}
CSV = {"kind": "csv", "ids": "integer", "columns": COLUMNS}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    for stage in ("download", "preprocess"):
        clone.stage(stage)
    return clone


def add(clone: Clone, path: str, layout: dict[str, Any], **changes: Any) -> None:
    """An entry `mine` beside the tiny set."""
    tiny = clone.params["datasets"]["tiny"]
    clone.params["datasets"]["mine"] = {
        "title": "Mine",
        "source": {"kind": "file", "path": path},
        "format": layout,
        "split": tiny["split"] | changes,
        "training": tiny["training"],
    }
    clone.write_params()


def preprocess(clone: Clone) -> str:
    clone.stage("download", dataset="mine")
    return clone.stage("preprocess", dataset="mine")


def matrices(clone: Clone, dataset: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (clone.folder / "data" / dataset / "split").glob("*.npz")}


def write(clone: Clone, form: str) -> tuple[str, dict[str, Any]]:
    """The tiny ratings in another form: where they are, and their format entry."""
    ratings, folder = tiny_ratings(), clone.folder / "mine"
    folder.mkdir(exist_ok=True)
    halves = [ratings[: len(ratings) // 2], ratings[len(ratings) // 2 :]]
    text = ratings.to_csv(index=False)
    match form:
        case "csv":
            (folder / "log.csv").write_text(text)
            return "mine/log.csv", CSV
        case "csv, absolute path":
            (folder / "log.csv").write_text(text)
            return str(folder / "log.csv"), CSV
        case "gzip":
            (folder / "log.csv.gz").write_bytes(gzip.compress(text.encode()))
            return "mine/log.csv.gz", CSV
        case "zip":
            with zipfile.ZipFile(folder / "log.zip", "w") as archive:
                archive.writestr("a/log.csv", text)
            return "mine/log.zip", {**CSV, "member": "a/log.csv"}
        case "without header":
            (folder / "log.tsv").write_text(ratings.to_csv(index=False, header=False, sep="\t"))
            positions = {"user": 1, "item": 2, "rating": 3, "timestamp": 4}
            return "mine/log.tsv", {**CSV, "separator": "\t", "columns": positions}
        case "folder of csv":
            (folder / "csv").mkdir(exist_ok=True)
            (folder / "csv/_SUCCESS").write_text("")
            (folder / "csv/.part-0.csv.crc").write_text("crc")
            for number, half in enumerate(halves):
                half.to_csv(folder / f"csv/part-{number}.csv", index=False)
            (folder / "csv/part-2.csv").write_text(",".join(ratings.columns) + "\n")
            return "mine/csv", CSV
        case "parquet":
            ratings.astype({"userId": "int32", "rating": "float32"}).to_parquet(folder / "log.parquet")
            return "mine/log.parquet", {"kind": "parquet", "columns": COLUMNS}
        case "folder of parquet":
            for number, half in enumerate(halves):
                (folder / f"parquet/day={number}").mkdir(parents=True, exist_ok=True)
                half.to_parquet(folder / f"parquet/day={number}/part.parquet")
            return "mine/parquet", {"kind": "parquet", "columns": COLUMNS}
        case "folder of parquet, dates of several units":
            folder = folder / "dates"
            units: list[Literal["datetime64[s]", "datetime64[ns]"]] = ["datetime64[s]", "datetime64[ns]"]
            for number, (half, unit) in enumerate(zip(halves, units, strict=True)):
                (folder / f"day={number}").mkdir(parents=True, exist_ok=True)
                dated = half.assign(timestamp=pd.to_datetime(half["timestamp"], unit="s").astype(unit))
                dated.to_parquet(folder / f"day={number}/part.parquet")
            return "mine/dates", {"kind": "parquet", "columns": COLUMNS}
        case "parquet of lists":
            assert not ratings["userId"].diff().lt(0).any()
            ratings.groupby("userId").agg(list).reset_index().to_parquet(folder / "lists.parquet")
            return "mine/lists.parquet", {"kind": "parquet", "columns": COLUMNS}
        case "json lines, gzip":
            ratings.to_json(folder / "log.json.gz", orient="records", lines=True)
            return "mine/log.json.gz", {**CSV, "kind": "jsonl"}
        case "recbole, bz2":
            types = {"userId": "userId:token", "movieId": "movieId:token", "rating": "rating:float"}
            atomic = ratings.rename(columns=types | {"timestamp": "timestamp:float"})
            atomic.to_csv(folder / "log.inter.bz2", sep="\t", index=False)
            return "mine/log.inter.bz2", {**CSV, "kind": "recbole"}
    raise ValueError(form)


FORMS = [
    "csv", "csv, absolute path", "gzip", "zip", "without header", "folder of csv", "parquet", "folder of parquet",
    "folder of parquet, dates of several units", "parquet of lists", "json lines, gzip", "recbole, bz2",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_split(clone: Clone, form: str) -> None:
    add(clone, *write(clone, form))
    preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")


def test_a_matrix_of_ratings_gives_the_same_split(clone: Clone) -> None:
    ratings = tiny_ratings()
    matrix = coo_array((ratings["rating"], (ratings["userId"], ratings["movieId"])))
    save_npz(clone.folder / "log.npz", matrix)
    add(clone, "log.npz", {"kind": "npz"})
    preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")


def test_rows_that_lack_a_value_are_dropped_and_counted_if_that_is_wanted(clone: Clone) -> None:
    text = tiny_ratings().to_csv(index=False) + r"\N,1,5.0,1" + "\n" + "1,2,,1\n"
    (clone.folder / "log.csv").write_text(text)
    add(clone, "log.csv", CSV)
    clone.stage("download", dataset="mine")
    complaint = clone.complaint("stages.preprocess", "--dataset", "mine")
    assert "nothing under 'userId', the first of 2 incomplete rows here" in complaint
    add(clone, "log.csv", {**CSV, "missing": "drop"})
    assert " 2 incomplete_rows" in preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")


def test_text_ids_without_ratings_map_back(clone: Clone) -> None:
    ratings = tiny_ratings()
    log = pd.DataFrame(
        {"who": ratings["userId"].map("user-{:04}".format), "what": ratings["movieId"].map("ä{:02}".format)}
    )
    log.to_csv(clone.folder / "log.csv", index=False)
    layout = {"kind": "csv", "ids": "string", "columns": {"user": "who", "item": "what"}}
    add(clone, "log.csv", layout, threshold=None)
    preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")  # padded ids sort as the numbers do
    items = {
        name: pd.read_parquet(clone.folder / f"data/{name}/split/items.parquet")["item"] for name in ("tiny", "mine")
    }
    assert items["mine"].tolist() == items["tiny"].map("ä{:02}".format).tolist()


def test_users_with_their_items_give_the_same_split_whatever_the_order_and_the_files(clone: Clone) -> None:
    ratings = tiny_ratings().sample(frac=1, random_state=0)
    (clone.folder / "public").mkdir()
    for name, some in (("train.txt", ratings[1000:]), ("test.txt", ratings[:1001])):  # one pair is in both
        lines = [f"{user} {' '.join(map(str, items))}\n" for user, items in some.groupby("userId")["movieId"]]
        (clone.folder / "public" / name).write_text("".join(lines))
    add(clone, "public", {"kind": "lightgcn"}, threshold=None)
    assert "note: 1 ratings were left out" in preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")


def test_doubled_rows_are_said(clone: Clone) -> None:
    ratings = tiny_ratings()
    earlier = ratings.head(7).assign(rating=1.0, timestamp=-1)
    pd.concat([ratings, earlier]).to_csv(clone.folder / "log.csv", index=False)
    add(clone, "log.csv", CSV)
    assert "note: 7 ratings were left out, as the same user rated the same item later" in preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")


def test_a_file_that_has_changed_is_brought_anew(clone: Clone) -> None:
    add(clone, *write(clone, "csv"))
    preprocess(clone)
    (clone.folder / "mine/log.csv").write_text("other")
    clone.stage("download", dataset="mine")
    assert (clone.folder / "data/mine/raw/log.csv").read_text() == "other"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            "userId,movieId,rating,timestamp\n1,2,x,4\n",
            "log.csv, line 2: 'x' under 'rating' is no number",
        ),
        ("userId,movieId,rating,timestamp\n1,2,1.0,4\n", "nothing is left of 1 ratings"),
        ("", "data/mine/raw/log.csv is empty"),
    ],
)
def test_bad_data_leaves_the_last_split(clone: Clone, content: str, complaint: str) -> None:
    add(clone, *write(clone, "csv"))
    preprocess(clone)
    before = matrices(clone, "mine")
    (clone.folder / "mine/log.csv").write_text(content)
    clone.stage("download", dataset="mine")
    assert complaint in clone.complaint("stages.preprocess", "--dataset", "mine")
    assert matrices(clone, "mine") == before


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere.csv", "there is no nowhere.csv, which a source in params.yaml names"),
        ("nothing", "nothing is an empty folder; put the parts there"),
        ("data", "data is where the copy would be put; keep the originals elsewhere"),
        ("data/mine/raw", "data/mine/raw is where the copy would be put; keep the originals elsewhere"),
        ("pipe", "pipe is neither a file nor a folder; name one under source in params.yaml"),
    ],
)
def test_a_source_that_is_not_there_is_said(clone: Clone, path: str, complaint: str) -> None:
    (clone.folder / "nothing").mkdir(exist_ok=True)
    (clone.folder / "data/mine/raw").mkdir(parents=True, exist_ok=True)
    if not (clone.folder / "pipe").exists():
        os.mkfifo(clone.folder / "pipe")
    add(clone, path, CSV)
    assert complaint in clone.complaint("stages.download", "--dataset", "mine")


@pytest.fixture(scope="module")
def own(clone: Clone) -> Clone:
    """With a report of `mine`."""
    add(clone, *write(clone, "folder of parquet"))
    clone.params["run"] = ["mine"]
    clone.write_params()
    clone.first_run = clone.run_all()
    clone.params["run"] = ["tiny"]
    return clone


def test_own_data_runs_through_the_pipeline_by_its_entry_and_its_name_under_run(own: Clone) -> None:
    assert len(own.first_run) == 17
    text = (own.folder / "reports/mine/report.md").read_text()
    assert text.startswith("# Bytes per user against accuracy: Mine\n")
    assert "There are no published values for this split" in text


def test_a_log_in_parts_on_disk_gives_the_same_split_and_leaves_no_part(own: Clone) -> None:
    clone = own
    source, form = write(clone, "csv")
    add(clone, source, form)
    clone.params["scale"]["parts"] = 3
    clone.write_params()
    preprocess(clone)
    assert matrices(clone, "mine") == matrices(clone, "tiny")
    assert not (clone.folder / "data/mine/split/parts").exists()
    clone.params["scale"]["parts"] = 1


def test_a_split_that_is_not_the_published_one_is_said_on_the_terminal_and_in_the_report(own: Clone) -> None:
    clone = own
    counts = ["ratings", "interactions", "items", "train_users", "items_in_train"]
    held_out = ["validation_held_out_pairs", "test_held_out_pairs"]
    digests = [f"{name}_sha256" for name in ("items_in_train", *held_out)]
    clone.params["datasets"]["mine"]["published"] = {
        "by": "somebody", "users": 330, **dict.fromkeys([*counts, *held_out], 1), **dict.fromkeys(digests, "0" * 64),
    }  # fmt: skip
    clone.write_params()
    for stage in ("preprocess", "report"):
        ended = clone.module(f"stages.{stage}", "--dataset", "mine")
        assert ended.status == 0
        assert "WARNING: this is not the published split: train_users is 290, published 1" in ended.errors
        assert "users is 330" not in ended.errors
    text = (clone.folder / "reports/mine/report.md").read_text()
    assert "> **WARNING: the split is not that of somebody, so no row can be compared with published values.**" in text
    assert "> - train_users is 290, published 1" in text
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    same = {cells[1]: cells[4] for cells in lines if len(cells) == 6}
    assert (same["users"], same["train users"]) == ("yes", "**NO**")
    del clone.params["datasets"]["mine"]["published"]
    clone.write_params()


def test_a_synthetic_set_says_so_in_its_title_and_has_no_paper_values(clone: Clone) -> None:
    tiny = clone.params["datasets"]["tiny"]
    clone.params["datasets"]["twin"] = {
        "title": "a small twin",
        "source": {"kind": "synthetic", "users": 400, "items": 300, "ratings": 20_000, "seed": 1},
        "format": {"kind": "movielens", "member": "synthetic/ratings.csv"},
        "split": tiny["split"],
        "training": tiny["training"],
    }
    models = clone.params["models"]
    clone.params |= {
        "models": {"dae-8": models["dae-8"]},
        "float_twins": {},
        "quantized_models": {},
        "quantized_items": {},
        "refits": {},
        "budgets": {},
        "quantizers": {},
        "serving": {**clone.params["serving"], "rows": []},
        "studies": {},
    }
    clone.write_params()
    for stage in ("download", "preprocess"):
        clone.stage(stage, dataset="twin")
    clone.stage("fit", dataset="twin")
    clone.stage("train", "--model", "dae-8", dataset="twin")
    clone.stage("evaluate", dataset="twin")
    clone.stage("report", dataset="twin")
    text = (clone.folder / "reports/twin/report.md").read_text()
    assert text.startswith("# Bytes per user against accuracy: synthetic data, a small twin\n")
    assert "The ratings are made up" in text.splitlines()[2]
    assert "paper |" not in text
    assert "Made-up movie" in text
    facts = (clone.folder / "reports/twin/run.md").read_text()
    assert {line.split("|")[1].strip() for line in facts.splitlines() if " GB |" in line} >= {"`download`", "`report`"}
    assert clone.metrics("twin")["popularity"]["ndcg@100"] > 0


BY_TIME = {"kind": "time", "min_user_interactions": 3}


@pytest.mark.parametrize("has_cut", [False, True])
def test_a_split_by_time_is_the_same_by_dates_and_by_seconds(clone: Clone, has_cut: bool) -> None:
    log = tiny_ratings().sample(frac=1, random_state=0, ignore_index=True)
    start, middle = 1_790_000_000, len(log) // 2
    log["timestamp"] = start + log.index
    asked = BY_TIME | ({"held_out_share": None, "cut": start + middle} if has_cut else {})
    log.to_csv(clone.folder / "log.csv", index=False)
    add(clone, "log.csv", CSV, **asked)
    preprocess(clone)
    by_seconds = matrices(clone, "mine")
    split = load_split(clone.folder / "data/mine/split")
    rows = list(log.itertuples(index=False, name=None))
    cut = start + middle if has_cut else None
    assert as_literal(split) == literal.split_by_time(rows, 3.5, 3, 20, 0.2, 98765, cut)

    log["timestamp"] = pd.to_datetime(log["timestamp"], unit="s")
    log.to_parquet(clone.folder / "log.parquet")
    if has_cut:
        asked["cut"] = log["timestamp"][middle].isoformat()
    add(clone, "log.parquet", {"kind": "parquet", "columns": COLUMNS}, **asked)
    preprocess(clone)
    assert matrices(clone, "mine") == by_seconds


def test_the_rounds_of_a_core_are_counted(clone: Clone) -> None:
    write(clone, "csv")
    add(clone, "mine/log.csv", CSV, min_user_interactions=9, min_item_interactions=85, filter="core")
    preprocess(clone)
    rows = list(tiny_ratings().itertuples(index=False, name=None))
    kept, rounds = literal.enough(rows, 9, 85, core=True)
    counts = json.loads((clone.folder / "data/mine/split/protocol.json").read_text())
    assert rounds > 1
    assert (counts["interactions"], counts["filter_rounds"]) == (len(kept), rounds)


def test_too_few_users_to_compare_models_by_are_said_before_anything_is_trained(clone: Clone) -> None:
    write(clone, "csv")
    add(clone, "mine/log.csv", CSV, held_out_users=1)
    clone.stage("download", dataset="mine")
    ended = clone.module("stages.preprocess", "--dataset", "mine")
    assert ended.status == 0
    assert "WARNING: only 1 of 1 test users have held-out items, too few to compare models by" in ended.errors


def test_a_share_of_less_than_one_item_is_said(clone: Clone) -> None:
    log = pd.DataFrame([(user, item) for user in range(40) for item in range(6)], columns=["userId", "movieId"])
    log.to_csv(clone.folder / "log.csv", index=False)
    columns = {name: COLUMNS[name] for name in ("user", "item")}
    add(clone, "log.csv", CSV | {"columns": columns}, threshold=None, held_out_users=10, held_out_share=0.1)
    clone.stage("download", dataset="mine")
    complaint = clone.complaint("stages.preprocess", "--dataset", "mine")
    assert "no validation user has enough interactions for a held_out_share of 0.1 to be one whole item" in complaint
    assert "raise held_out_share in params.yaml to 0.17" in complaint
