"""Counts and digests of a split, by which it can be compared with the published one."""

import hashlib

import numpy as np
from scipy.sparse import csr_array

from stages.interactions.protocol.interactions import Counts, Interactions
from stages.interfaces.split import Split

Description = dict[str, int | str]


def describe(counts: Counts, interactions: Interactions, split: Split) -> Description:
    """Counts of a split, and SHA-256 digests of its items in order and of its held-out pairs, by name.

    The same digests can be computed from files that the notebook of Liang et al. 2018 writes: unique_sid.txt, and
    columns uid and sid of validation_te.csv and test_te.csv, sorted.
    """
    n_train, n_validation = split.train.shape[0], split.validation.held_out.shape[0]
    is_held_out = _are_among(interactions.users, split.users[n_train:])
    is_unknown = ~_are_among(interactions.items, split.items)
    of_items = interactions.of_items()
    unknown = interactions.parts.each(lambda rows: np.count_nonzero(is_held_out[rows.user] & is_unknown[rows.item]))
    return {
        **counts._asdict(),
        "interactions": int(of_items.sum()),
        "users": len(split.users),
        "items": int(np.count_nonzero(of_items)),
        "train_users": n_train,
        "train_interactions": split.train.nnz,
        "items_in_train": len(split.items),
        "interactions_with_unknown_items": int(sum(unknown)),
        "validation_users_scored": len(split.validation.scored()),
        "test_users_scored": len(split.test.scored()),
        "validation_held_out_pairs": split.validation.held_out.nnz,
        "test_held_out_pairs": split.test.held_out.nnz,
        "items_in_train_sha256": _sha256("\n".join(map(str, split.items.tolist()))),
        "validation_held_out_pairs_sha256": _digest_of_pairs(split.validation.held_out, n_train),
        "test_held_out_pairs_sha256": _digest_of_pairs(split.test.held_out, n_train + n_validation),
    }


def _are_among(ids: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Whether each id is one of the chosen, bool; ids : sorted, with all that are chosen."""
    are_among = np.zeros(len(ids), dtype=bool)
    are_among[np.searchsorted(ids, chosen)] = True
    return are_among


def _digest_of_pairs(matrix: csr_array, first_user: int) -> str:
    rows, columns = matrix.nonzero()  # sorted by row, then column
    lines = (f"{row},{column}\n" for row, column in zip((rows + first_user).tolist(), columns.tolist(), strict=True))
    return _sha256("".join(lines))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
