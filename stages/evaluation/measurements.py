"""What is kept of a row: metrics of its users, bytes, use of the codes, loss and time."""

import json
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import numpy as np
import pandas as pd

from stages.codebooks.codebook_codec import CodebookCodec, code_usage
from stages.codecs.from_history import FromHistory
from stages.codecs.history import SomeHistory
from stages.codecs.kmeans import KMeansCodec
from stages.evaluation.cost import MOST_VECTORS_TIMED, microseconds, variance_lost
from stages.interactions.protocol.strong_generalization import Split
from stages.interfaces.codec import Codec, stored_bytes
from stages.interfaces.recommender import Recommender
from stages.ranking.evaluation import encode_users, evaluate
from stages.statistics.groups import quarters_of_interactions


class Result(NamedTuple):
    """Of one training, stored in one form."""

    per_user: pd.DataFrame
    code_usage: pd.DataFrame
    bytes_per_user: float
    """Or per item, where item tables are quantized."""
    shared_bytes: int
    variance_lost: float | None
    """Of the test users' embeddings, or of the item tables; None where histories are stored."""
    errors: list[float]
    """Of k-means, before each iteration of its fit; else none."""
    encode_us: float
    """Per user."""
    decode_us: float


def evaluate_row(network: Recommender, codec: Codec, split: Split, batch_size: int, seed: int) -> Result:
    """Score the test users of one training from what the codec stores of them; errors as of `evaluate`."""
    if isinstance(codec, SomeHistory):
        network = FromHistory(network)
    quarters = quarters_of_interactions(split.train)
    per_user = evaluate(network, codec, split.test, batch_size, quarters)
    n_test = split.test.fold_in.shape[0]
    per_user.insert(0, "user_id", split.users[-n_test:][per_user["user"]])
    encoded = encode_users(network, codec, split.test.fold_in, batch_size)
    bytes_per_user = sum(stored_bytes(codes) for codes in encoded) / n_test
    usage = no_code_usage()
    if isinstance(codec, CodebookCodec):
        codes = [np.asarray(codes) for codes in encode_users(network, codec, split.train, batch_size)]
        perplexity, dead = code_usage(np.concatenate(codes))
        usage = pd.DataFrame({"codebook": range(1, len(dead) + 1), "perplexity": perplexity, "dead": dead})
    embeddings = network.embed(split.test.fold_in)
    encode_us, decode_us = microseconds(codec, network.embed(split.train[:MOST_VECTORS_TIMED]))
    return Result(
        per_user.assign(seed=seed),
        usage.assign(seed=seed),
        bytes_per_user,
        codec.shared_bytes,
        variance_lost(codec, embeddings) if isinstance(embeddings, np.ndarray) else None,
        codec.errors.tolist() if isinstance(codec, KMeansCodec) else [],
        encode_us,
        decode_us,
    )


def no_code_usage() -> pd.DataFrame:
    """Of what has no codebooks: columns codebook, perplexity, dead."""
    return pd.DataFrame({"codebook": [], "perplexity": [], "dead": []})


def microseconds_of(results: list[Result]) -> dict[str, float]:
    """Medians of the seeds, for a record."""
    return {
        "encode": round(median(result.encode_us for result in results), 3),
        "decode": round(median(result.decode_us for result in results), 3),
    }


def write_results(results: list[Result], folder: Path) -> None:
    """A folder with per_user.parquet, code_usage.csv and stored.json."""
    folder.mkdir()
    per_user = pd.concat([result.per_user for result in results], ignore_index=True)
    per_user.to_parquet(folder / "per_user.parquet", index=False)
    pd.concat([result.code_usage for result in results], ignore_index=True).to_csv(
        folder / "code_usage.csv", index=False
    )
    lost = [result.variance_lost for result in results if result.variance_lost is not None]
    stored = {
        "bytes_per_user": results[0].bytes_per_user,
        "shared_bytes": results[0].shared_bytes,
        "variance_lost": fmean(lost) if lost else None,
        "kmeans_errors": results[0].errors,
    }
    (folder / "stored.json").write_text(json.dumps(stored, indent=2) + "\n")
