"""What is measured of a row, against a ten-line oracle, and on popularity, whose answer is known by heart."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from stages.evaluation.groups import group_column, quarters_of_interactions
from stages.evaluation.measurements import measure_row, measure_users, write_measurements
from stages.evaluation.metrics import METRICS
from stages.interfaces.codec import Float32, WholeHistory
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import HeldOutUsers, Split
from stages.references.ease import Ease
from stages.references.popularity import Popularity
from tests.ranking.oracle import ease, oracle, random_users

NAMES = [metric.name for metric in METRICS]


def split_of(test: HeldOutUsers) -> Split:
    n_users, n_items = test.fold_in.shape
    train = random_users(200, n_items, seed=2).fold_in
    return Split(train, test, test, np.arange(200 + 2 * n_users), np.arange(n_items))


@pytest.mark.parametrize("n_items", [60, 300])  # fewer and more than the 100 ranks
def test_metrics_are_the_protocol_user_by_user(n_items: int) -> None:
    users = random_users(50, n_items, seed=1)
    model = ease(random_users(200, n_items, seed=2).fold_in)
    scores = model.score(users.fold_in).numpy()
    fold_in, held_out = users.fold_in.toarray(), users.held_out.toarray()
    expected = pd.DataFrame(
        [oracle(scores[user], fold_in[user], held_out[user]) for user in range(50) if held_out[user].any()]
    )
    pd.testing.assert_frame_equal(measure_users(model, WholeHistory(), users, 500)[NAMES], expected)


def test_users_with_nothing_held_out_are_left_out() -> None:
    users = random_users(50, 300, seed=1)
    lines = measure_users(ease(users.fold_in), WholeHistory(), users, 500)
    assert lines["user"].tolist() == [user for user in range(50) if users.held_out[[user]].nnz]
    assert lines["held_out"].tolist() == [users.held_out[[user]].nnz for user in lines["user"]]
    assert lines["fold_in"].tolist() == [users.fold_in[[user]].nnz for user in lines["user"]]


def test_batches_change_nothing() -> None:
    users = random_users(50, 300, seed=1)
    model = ease(users.fold_in)
    pd.testing.assert_frame_equal(
        measure_users(model, WholeHistory(), users, 7), measure_users(model, WholeHistory(), users, 50)
    )


@pytest.mark.parametrize("n_items", [60, 300])
def test_groups_of_items_count_only_their_held_out_items(n_items: int) -> None:
    users = random_users(50, n_items, seed=1)
    split = split_of(users)
    model = ease(split.train)
    groups = quarters_of_interactions(split.train)
    scores = model.score(users.fold_in).numpy()
    fold_in, held_out = users.fold_in.toarray(), users.held_out.toarray()
    per_user = measure_row(model, WholeHistory(), split, 500, seed=0).per_user
    for group in range(4):
        in_group = np.where(groups == group, held_out, 0)
        expected = [
            oracle(scores[user], fold_in[user], in_group[user])["ndcg@100"] if in_group[user].any() else math.nan
            for user in per_user["user"]
        ]
        np.testing.assert_allclose(per_user[group_column(group)], expected)


def test_quarters_have_a_quarter_of_the_interactions_each() -> None:
    """Items with 6, 3, 3, 4, 4 and four times 1 of 24 interactions: 6, then 4 and 4, then …"""
    counts = [1, 3, 6, 1, 4, 1, 4, 3, 1]
    train = csr_array(np.array([[row < count for count in counts] for row in range(6)], dtype=np.float32))
    assert quarters_of_interactions(train).tolist() == [3, 2, 0, 3, 1, 3, 1, 2, 3]


def test_popularity_by_heart() -> None:
    """Items 0, 1, 2 in that order; the user knows 0 and wants 2, which so comes second."""
    model = Popularity(3)
    model.fit(csr_array(np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=np.float32)))
    users = HeldOutUsers(
        csr_array(np.array([[1, 0, 0]], dtype=np.float32)), csr_array(np.array([[0, 0, 1]], dtype=np.float32))
    )
    line = measure_users(model, Float32(), users, 1).iloc[0]
    assert line["ndcg@100"] == pytest.approx(1 / math.log2(3))
    assert line["recall@20"] == 1


@pytest.mark.parametrize(("model", "codec", "expected"), [(Ease, WholeHistory, None), (Popularity, Float32, 0.0)])
def test_bytes_are_measured_of_all_test_users_those_with_nothing_held_out_included(
    model: type[Ease] | type[Popularity], codec: type[WholeHistory] | type[Float32], expected: float | None
) -> None:
    users = random_users(50, 300, seed=1)
    split = split_of(users)
    fitted = ease(split.train) if model is Ease else Popularity(300)
    measured = measure_row(fitted, codec(), split, 7, seed=0)
    assert measured.bytes_per_user == (4 * users.fold_in.nnz / 50 if expected is None else expected)


class Counting(Popularity):
    """Counts the users that it embeds, and remembers them."""

    embedded = 0

    def embed(self, fold_in: csr_array) -> np.ndarray:
        self.embedded += fold_in.shape[0]
        return np.asarray(fold_in.toarray(), dtype=np.float32)


def test_every_test_user_is_embedded_once() -> None:
    users = random_users(50, 300, seed=1)
    split = split_of(users)
    model: Recommender = Counting(300)
    measured = measure_row(model, Float32(), split, 7, seed=0)
    n_timed = split.train.shape[0]
    assert isinstance(model, Counting)
    assert model.embedded == 50 + n_timed + len(split.validation.scored())
    assert measured.variance_lost == 0


def test_the_spectrum_is_the_mean_of_the_seeds_whose_embeddings_vary(tmp_path: Path) -> None:
    users = random_users(50, 300, seed=1)
    alike = measure_row(Popularity(300), Float32(), split_of(users), 7, seed=0)
    assert not alike.spectrum
    of_seeds = [alike, alike._replace(spectrum=[0.75, 0.25]), alike._replace(spectrum=[0.25, 0.75])]
    write_measurements(of_seeds, tmp_path / "row")
    assert json.loads((tmp_path / "row/stored.json").read_text())["spectrum"] == [0.5, 0.5]
