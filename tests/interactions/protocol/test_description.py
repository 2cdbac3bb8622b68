"""What a split says of itself, against counting by hand."""

import hashlib

from stages.interactions.protocol.description import describe
from stages.interactions.protocol.interactions import Counts
from stages.interactions.protocol.strong_generalization import split_strong_generalization
from tests.interactions import literal
from tests.interactions.made_up import awkward_ratings, interactions_of, pairs_of


def test_counts_and_digests_are_those_of_the_literal_split() -> None:
    rows = awkward_ratings(3)
    users, items, train, parts = literal.split(
        [(user, item, rating) for user, item, rating, _ in rows], 3.5, 5, 7, 0.2, 98765
    )
    interactions = interactions_of(rows)
    found = describe(Counts(2, len(rows), 0, 1), interactions, split_strong_generalization(interactions, 7, 0.2, 98765))
    n_train = len(users) - 14
    held_out = {
        name: "".join(f"{first + row},{column}\n" for row, column in sorted(pairs))
        for name, first, (_, pairs) in [("validation", n_train, parts[0]), ("test", n_train + 7, parts[1])]
    }
    assert found == {
        "incomplete_rows": 2,
        "ratings": len(rows),
        "superseded_ratings": 0,
        "filter_rounds": 1,
        "interactions": len(pairs_of(interactions)),
        "users": len(users),
        "items": len({item for _, item in pairs_of(interactions)}),
        "train_users": n_train,
        "train_interactions": len(train),
        "items_in_train": len(items),
        "interactions_with_unknown_items": len(
            [item for user, item in pairs_of(interactions) if user not in users[:n_train] and item not in items]
        ),
        "validation_users_scored": len({row for row, _ in parts[0][1]}),
        "test_users_scored": len({row for row, _ in parts[1][1]}),
        "validation_held_out_pairs": len(parts[0][1]),
        "test_held_out_pairs": len(parts[1][1]),
        "items_in_train_sha256": hashlib.sha256("\n".join(map(str, items)).encode()).hexdigest(),
        "validation_held_out_pairs_sha256": hashlib.sha256(held_out["validation"].encode()).hexdigest(),
        "test_held_out_pairs_sha256": hashlib.sha256(held_out["test"].encode()).hexdigest(),
    }


def test_unknown_items_are_counted_of_validation_and_test_users_only() -> None:
    """All nine users have an item of their own, and later two that nobody knew before."""
    past = [(user, item, 5.0, 1) for user in range(9) for item in (0, 1, 2, 3, 90 + user)]
    future = [(user, item, 5.0, 2) for user in range(9) for item in (user % 4, 4, 5)]
    extra = [(user, 91 + user, 5.0, 2) for user in range(8)] + [(8, 90, 5.0, 2)]  # to have something to predict
    interactions = interactions_of(past + future + extra, by_time=True, cut=2)
    found = describe(Counts(0, 0, 0, 0), interactions, split_strong_generalization(interactions, 1, None, 5))
    held_out = split_strong_generalization(interactions, 1, None, 5).users[-2:].tolist()
    unknown = {4, 5, *(90 + user for user in held_out)}
    assert found["interactions_with_unknown_items"] == len(
        [item for user, item in pairs_of(interactions) if user in held_out and item in unknown]
    )
