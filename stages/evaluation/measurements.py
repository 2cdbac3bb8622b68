"""Measurements of a row: metrics of its users, bytes, use of codes, variance lost and time."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stages.evaluation.code_usage import code_usage, no_code_usage
from stages.evaluation.cost import MOST_VECTORS_TIMED, microseconds, spectrum, variance_lost
from stages.evaluation.groups import GROUPS, group_column, quarters_of_interactions
from stages.evaluation.metrics import METRICS
from stages.interfaces.codec import ByHistory, Codec, encode_users, stored_bytes
from stages.interfaces.recommender import Recommender
from stages.interfaces.split import HeldOutUsers, Split
from stages.ranking.evaluation import RANKS, Ranking, ndcg_of_users, rank
from stages.ranking.ndcg import ndcg
from stages.run.json_files import write_json

MOST_GUIDED_TIMED = 1_000  # a guided code takes ten times as long as the nearest


class Measurements(NamedTuple):
    """Measurements of one training, stored in one variant."""

    per_user: pd.DataFrame
    """One row per test user with held-out interactions, as in `measure_users`, and its seed."""
    code_usage: pd.DataFrame
    """One row per codebook, as in `stages.evaluation.code_usage.code_usage`, and its seed; none of guided codes, whose
    codebooks are those of the nearest."""
    validation_ndcg: float | None
    """Mean NDCG@100 of the validation users, by which rows are chosen; None where nobody chooses."""
    bytes_per_user: float
    """Mean bytes per test user; bytes per item where item tables are quantized."""
    shared_bytes: int
    """Bytes stored once, such as codebooks."""
    variance_lost: float | None
    """Share of the variance of the test users' embeddings, or of the item tables; None where histories are stored, or
    where there is no variance."""
    fit_errors: list[float]
    """Mean squared error before each iteration of an iterative fit; else empty."""
    encode_us: float
    """Encoding time in microseconds per user, or per item."""
    decode_us: float
    """Decoding time in microseconds per user, or per item."""
    spectrum: Sequence[float] = ()
    """Of the test users' embeddings, as in `stages.evaluation.cost.spectrum`, where they are stored as they are."""


def measure_row(model: Recommender, codec: Codec, split: Split, batch_size: int, seed: int) -> Measurements:
    """Measure one training with its test users stored by the codec.

    Metrics, bytes and variance lost are of the test users; use of codes and times are of train users. Errors as in
    `stages.ranking.evaluation.rank`.
    """
    test = split.test
    item_groups = quarters_of_interactions(split.train)
    train_users = np.arange(split.train.shape[0])
    is_guided = isinstance(codec, ByHistory)
    frames, vectors, decoded = [], [], []
    n_bytes = 0
    for ranking in rank(model, codec, test, batch_size):
        frames.append(_per_user(ranking, test, item_groups))
        n_bytes += stored_bytes(ranking.codes)
        if isinstance(ranking.embeddings, np.ndarray):  # else the embeddings are histories
            vectors.append(ranking.embeddings)
            decoded.append(np.asarray(ranking.decoded))
    n_test = test.fold_in.shape[0]
    unscored = np.flatnonzero(np.diff(test.held_out.indptr) == 0)  # they are stored, too
    if len(unscored):
        of_unscored = model.embed_users(test.first + unscored, test.fold_in[unscored])
        n_bytes += stored_bytes(encode_users(codec, of_unscored, test.fold_in[unscored]))
    per_user = pd.concat(frames, ignore_index=True)
    per_user.insert(0, "user_id", split.users[-n_test:][per_user["user"]])
    usage = no_code_usage()
    if codec.n_codebooks and not is_guided:
        blocks = np.split(train_users, range(batch_size, len(train_users), batch_size))
        codes = [np.asarray(codec.encode(model.embed_users(block, split.train[block]))) for block in blocks]
        usage = code_usage(np.concatenate(codes))
    timed = train_users[: MOST_GUIDED_TIMED if is_guided else MOST_VECTORS_TIMED]
    embeddings, histories = model.embed_users(timed, split.train[timed]), split.train[timed]
    encode_us, decode_us = microseconds(codec, lambda: encode_users(codec, embeddings, histories))
    lost = variance_lost(np.concatenate(vectors), np.concatenate(decoded)) if vectors else None
    return Measurements(
        per_user.assign(seed=seed),
        usage.assign(seed=seed),
        float(ndcg_of_users(model, codec, split.validation, batch_size).mean()),
        n_bytes / n_test,
        codec.shared_bytes,
        lost,
        list(codec.fit_errors),
        encode_us,
        decode_us,
        spectrum(np.concatenate(vectors)) if lost == 0 else (),
    )


def measure_users(model: Recommender, codec: Codec, users: HeldOutUsers, batch_size: int) -> pd.DataFrame:
    """One row per user with held-out items: user (row in `users`), fold_in and held_out (numbers of items), METRICS."""
    return pd.concat(
        [_per_user(ranking, users) for ranking in rank(model, codec, users, batch_size)], ignore_index=True
    )


def _per_user(ranking: Ranking, users: HeldOutUsers, item_groups: np.ndarray | None = None) -> pd.DataFrame:
    """The table of a block, as in `measure_users`, with NDCG@100 of each item group; item_groups : int64 (n_items,)."""
    columns = {
        "user": ranking.users,
        "fold_in": np.diff(users.fold_in.indptr)[ranking.users].astype(np.int64),
        "held_out": np.diff(users.held_out.indptr)[ranking.users].astype(np.int64),
    }
    columns |= {metric.name: metric.of(ranking.hits, ranking.n_held_out).cpu().numpy() for metric in METRICS}
    if item_groups is not None:
        held_out = users.held_out[ranking.users]
        for group in range(GROUPS):
            in_group = item_groups == group
            counts = torch.from_numpy(np.asarray(held_out.multiply(in_group).sum(axis=1)).astype(np.int64))
            columns[group_column(group)] = _ndcg_of_items(ranking, torch.from_numpy(in_group), counts)
    return pd.DataFrame(columns)


def _ndcg_of_items(ranking: Ranking, is_item: Tensor, n_held_out: Tensor) -> np.ndarray:
    """NDCG@100 of a block's users, counting only these held-out items among all ranked; NaN for users without any."""
    device = ranking.hits.device
    n_held_out = n_held_out.to(device)
    values = ndcg(ranking.hits & is_item.to(device)[ranking.items], n_held_out.clamp(min=1), RANKS)
    return values.where(n_held_out > 0, torch.nan).cpu().numpy()


def microseconds_of(of_seeds: list[Measurements]) -> dict[str, float]:
    """Median times over the seeds in microseconds, for the run facts."""
    return {
        "encode": round(median(measured.encode_us for measured in of_seeds), 3),
        "decode": round(median(measured.decode_us for measured in of_seeds), 3),
    }


def write_measurements(of_seeds: list[Measurements], folder: Path) -> None:
    """Write per_user.parquet, code_usage.csv and stored.json to a new folder; times are left out, as they vary."""
    folder.mkdir()
    per_user = pd.concat([measured.per_user for measured in of_seeds], ignore_index=True)
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    usage = pd.concat([measured.code_usage for measured in of_seeds], ignore_index=True)
    usage.to_csv(folder / "code_usage.csv", index=False)
    validation, lost = (
        [value for value in values if value is not None]
        for values in zip(*((measured.validation_ndcg, measured.variance_lost) for measured in of_seeds), strict=True)
    )
    spectra = [measured.spectrum for measured in of_seeds if measured.spectrum]
    stored = {
        "validation_ndcg": fmean(validation) if validation else None,
        "bytes_per_user": of_seeds[0].bytes_per_user,
        "shared_bytes": of_seeds[0].shared_bytes,
        "variance_lost": fmean(lost) if lost else None,
        "fit_errors": of_seeds[0].fit_errors,
        "spectrum": np.mean(spectra, axis=0).tolist() if spectra else [],
        "metrics": {metric.name: metric.label for metric in METRICS},
    }
    write_json(stored, folder / "stored.json")
