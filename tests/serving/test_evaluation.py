"""Test users ranked from codes, measured as the report measures its rows."""

from pathlib import Path

import numpy as np
import pytest

from stages.serving.evaluation import measure_served, store_bytes_per_user
from stages.serving.scoring.dense import Dense
from stages.serving.scoring.popularity import Popularity
from stages.serving.scoring.scorer import Top
from tests.ranking.oracle import oracle, random_users
from tests.serving.scoring.packages import drawn_codes, drawn_package, exact_scores

PACKAGE = drawn_package(300)


class Worst(Dense):
    """A way that finds the first half of the exact list alone, and after it the last items."""

    def top(self, *arguments: object, **more: object) -> Top:
        top = super().top(*arguments, **more)  # type: ignore[arg-type]
        top.items[:, 50:] = super().top(arguments[0], 300, arguments[2]).items[:, 100:150]  # type: ignore[arg-type]
        return top


def test_ndcg_is_the_protocol_user_by_user_and_users_without_a_code_get_what_is_popular() -> None:
    users = random_users(50, 300, seed=1)
    rows = users.scored()
    codes, coded = drawn_codes(PACKAGE, len(rows)), np.arange(len(rows)) % 5 > 0
    per_user, overlap = measure_served({"dense": Dense(PACKAGE)}, PACKAGE.items, codes, coded, users)
    scores, fold_in, held_out = exact_scores(PACKAGE, codes), users.fold_in.toarray(), users.held_out.toarray()
    scores[~coded] = -np.argsort(Popularity(PACKAGE.items).top(1, 300).items[0])
    assert per_user["user"].tolist() == rows.tolist()
    for place, user in enumerate(rows):
        expected = oracle(scores[place], fold_in[user], held_out[user])["ndcg@100"]
        assert per_user["dense"][place] == pytest.approx(expected)
    assert overlap == {"dense": 1}


def test_overlap_is_the_share_of_the_exact_list() -> None:
    users = random_users(20, 300, seed=1)
    codes = drawn_codes(PACKAGE, len(users.scored()))
    ways = {"dense": Dense(PACKAGE), "worst": Worst(PACKAGE)}
    per_user, overlap = measure_served(ways, PACKAGE.items, codes, np.full(len(codes), True), users)
    assert overlap == {"dense": 1, "worst": 0.5}
    assert (per_user["worst"] < per_user["dense"]).any()


def test_of_few_items_all_are_ranked_but_those_that_were_shown() -> None:
    package, users = drawn_package(40), random_users(20, 40, seed=1)
    codes = drawn_codes(package, len(users.scored()))
    per_user, overlap = measure_served(
        {"dense": Dense(package)}, package.items, codes, np.full(len(codes), True), users
    )
    assert overlap == {"dense": 1}
    assert ((per_user["dense"] > 0) & (per_user["dense"] <= 1)).all()


def test_a_user_takes_the_code_the_id_and_little_more_in_a_store(tmp_path: Path) -> None:
    by_bytes = [store_bytes_per_user(n_bytes, tmp_path / "store") for n_bytes in (5, 20)]
    assert by_bytes[1] - by_bytes[0] == pytest.approx(15, abs=2)
    assert 5 + 8 < by_bytes[0] < 5 + 8 + 20
    assert list(tmp_path.iterdir()) == []
