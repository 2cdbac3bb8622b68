"""Checks and settings shared by all k-means fits with faiss."""

import faiss
import numpy as np

from stages.run.errors import UserError

CODES = 256  # per codebook: 8 bits per code, as the sizes in the paper's Table 1 imply (faiss: ksub)


def check_vectors(vectors: np.ndarray, least: int) -> None:
    """Check that a quantizer can be fitted on these vectors.

    Parameters
    ----------
    vectors : float32 (n, d)
    least : number of vectors that the fit needs, at least one per code

    Raises
    ------
    UserError
        where there are fewer vectors, all are the same, or one is not finite.
    """
    if not len(vectors):
        raise UserError("there are no vectors to fit a quantizer on; lower held_out_users")
    if len(vectors) < least:
        raise UserError(
            f"{least:,} codes need at least as many vectors, and there are {len(vectors):,}; "
            "take a quantizer of fewer codes, or lower held_out_users"
        )
    if not np.isfinite(vectors).all():
        raise UserError("the vectors hold NaN or infinite values: the training went wrong; lower learning_rate")
    if (vectors == vectors[0]).all() and len(vectors) > 1:
        raise UserError("all vectors are the same: the model has learnt nothing to quantize; train it longer")


def quiet_clustering(parameters: faiss.ClusteringParameters, n: int, seed: int) -> None:
    """Make faiss's k-means use all `n` vectors, and not warn where there are few; the report states their number."""
    parameters.seed = seed
    parameters.min_points_per_centroid = 1
    parameters.max_points_per_centroid = -(-n // CODES)  # else faiss samples 256 per centroid
