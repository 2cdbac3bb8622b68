"""K-means with faiss: what every fit of codebooks has in common."""

import faiss
import numpy as np

from stages.errors import UserError

CODES = 256  # per codebook: 8 bits a code, which the sizes in the paper's Table 1 imply (faiss: ksub)


def check_vectors(vectors: np.ndarray) -> None:
    """Whether codebooks can be fitted on these vectors, float32 (n, d).

    Raises
    ------
    UserError
        where there are fewer vectors than codes, or one is not finite.
    """
    if len(vectors) < CODES:
        raise UserError(
            f"{CODES} codes need at least as many train users, this split has {len(vectors)}; lower held_out_users"
        )
    if not np.isfinite(vectors).all():
        raise UserError("the embeddings hold NaN or infinite values: the training went wrong; lower learning_rate")


def quiet_clustering(parameters: faiss.ClusteringParameters, n: int, seed: int) -> None:
    """Have faiss's k-means use all `n` vectors, and not warn of few: the report says how many there are."""
    parameters.seed = seed
    parameters.min_points_per_centroid = 1
    parameters.max_points_per_centroid = -(-n // CODES)  # faiss drops all beyond 256 unless told
