"""Vectors of a model from elsewhere stand in the report beside ours."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import vstack

from stages.interfaces.split import Split, load_split
from tests.pipeline.clone import Clone

MODEL = ("--model", "two-tower")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    for stage in ("download", "preprocess", "fit"):
        clone.stage(stage)
    entry = {"kind": "vectors", "users": "users.parquet", "items": "items.parquet", "width": 4}
    clone.params["models"] = {"dae-8": clone.params["models"]["dae-8"], "two-tower": entry}
    clone.params["quantizers"] = {name: clone.params["quantizers"][name] for name in ("rq", "scalar")}
    clone.params |= {"quantized_models": {"two-tower": "all"}, "quantized_items": {}, "refits": {}, "budgets": {}}
    clone.params |= {"float_twins": {}, "studies": {}}
    clone.params["serving"]["rows"] = []
    clone.write_params()
    return clone


@pytest.fixture(scope="module")
def split(clone: Clone) -> Split:
    return load_split(clone.folder / "data/tiny/split")


@pytest.fixture(scope="module")
def vectors(clone: Clone, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Of users, from their fold-in alone, and of items; in files of another order."""
    items = np.random.default_rng(0).normal(size=(len(split.items), 4)).astype(np.float32)
    items[:, 0] = np.where(split.items % 2, 3, -3)  # the two tastes
    users = vstack([split.train, split.validation.fold_in, split.test.fold_in]) @ items
    for name, ids, of_ids in (("user", split.users, users), ("item", split.items, items)):
        order = np.random.default_rng(1).permutation(len(ids))
        table = pa.table({name: ids[order], "vector": pa.array(list(of_ids[order]))})
        pq.write_table(table, clone.folder / f"{name}s.parquet")
    return users, items


def test_they_are_measured_quantized_and_reported(
    clone: Clone, split: Split, vectors: tuple[np.ndarray, np.ndarray]
) -> None:
    users, items = vectors
    assert "330 users and 40 items have vectors of 4 dimensions" in clone.stage("train", *MODEL)
    clone.stage("train", "--model", "dae-8")
    clone.stage("quantize", *MODEL)
    clone.stage("evaluate_quantized", *MODEL)
    clone.stage("evaluate")
    clone.stage("report")
    rows = clone.metrics()
    assert {"two-tower", "two-tower-rq-3b", "two-tower-rq-1b", "two-tower-scalar-1bit"} < set(rows)
    first = len(users) - split.test.fold_in.shape[0]
    scores = users[first:] @ items.T
    scores[split.test.fold_in.toarray() > 0] = -np.inf
    hits = np.take_along_axis(split.test.held_out.toarray(), np.argsort(-scores), axis=1)
    discounts = 1 / np.log2(np.arange(2, 42))
    best = np.cumsum(discounts)[hits.sum(1).astype(int) - 1]
    assert rows["two-tower"]["ndcg@100"] == pytest.approx((hits @ discounts / best).mean(), abs=1e-5)
    assert rows["two-tower-scalar-float16"]["ndcg@100"] == pytest.approx(rows["two-tower"]["ndcg@100"], abs=1e-3)


def test_what_needs_a_training_is_refused(clone: Clone) -> None:
    said = clone.complaint("stages.commands.sweep", "--dataset", "tiny", *MODEL)
    assert "'two-tower' under models in params.yaml is of vectors from elsewhere, which no training makes" in said


@pytest.mark.usefixtures("vectors")
def test_a_user_without_a_vector_is_said(clone: Clone) -> None:
    path = clone.folder / "users.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole.slice(0, 327), path)
    said = clone.complaint("stages.train", "--dataset", "tiny", *MODEL)
    pq.write_table(whole, path)
    assert "3 of 330 ids of the split have no vector in users.parquet, such as " in said
    assert (clone.folder / "data/tiny/models/two-tower/0.pt").exists()  # of the run before
