"""The ranking of all items, by which validation and test users are scored."""

import numpy as np
import pytest

from stages.interfaces.codec import WholeHistory, stored_bytes
from stages.ranking.evaluation import ndcg_of_users, rank
from tests.ranking.oracle import ease, oracle, random_users


@pytest.mark.parametrize("batch_size", [7, 500])
def test_ndcg_is_the_protocol_user_by_user(batch_size: int) -> None:
    users = random_users(50, 300, seed=1)
    model = ease(random_users(200, 300, seed=2).fold_in)
    scores = model.score(users.fold_in).numpy()
    fold_in, held_out = users.fold_in.toarray(), users.held_out.toarray()
    expected = [oracle(scores[user], fold_in[user], held_out[user])["ndcg@100"] for user in users.scored()]
    np.testing.assert_allclose(ndcg_of_users(model, WholeHistory(), users, batch_size), expected)


def test_users_with_nothing_held_out_are_not_ranked_and_nobody_is_shown_fold_in() -> None:
    users = random_users(50, 300, seed=1)
    rankings = list(rank(ease(users.fold_in), WholeHistory(), users, 7))
    assert [user for ranking in rankings for user in ranking.users] == [
        user for user in range(50) if users.held_out[[user]].nnz
    ]
    fold_in = users.fold_in.toarray()
    for ranking in rankings:
        for user, items in zip(ranking.users, ranking.items.numpy(), strict=True):
            assert not fold_in[user, items].any()


def test_codes_are_what_is_stored_of_the_ranked_users() -> None:
    users = random_users(50, 300, seed=1)
    codes = [ranking.codes for ranking in rank(ease(users.fold_in), WholeHistory(), users, 7)]
    assert sum(map(stored_bytes, codes)) == 4 * users.fold_in[users.scored()].nnz
