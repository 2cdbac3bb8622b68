"""K-means of 256 codes: checks and settings for faiss's, and one for wide vectors."""

import faiss
import numpy as np
import torch
from torch import Tensor

from stages.interfaces.batches import users_at_once
from stages.run.errors import UserError

CODES = 256  # per codebook: 8 bits per code, as the sizes in the paper's Table 1 imply (faiss: ksub)
MOST_CLUSTERED = 256 * CODES  # wide vectors, drawn anew for each codebook: faiss's own limit
# Of random vectors, to start from. Of whole ones the shortest would be nearest to nearly all residuals, which are long
# and point everywhere.
START_SCALE = 0.5


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


def wide_k_means(vectors: Tensor, iterations: int, generator: np.random.Generator) -> Tensor:
    """K-means of 256 codes, for many dimensions, where one product is faster than faiss's search.

    Parameters
    ----------
    vectors : float32 (n, d), at least 256; more than 65,536 are sampled
    iterations : number of rounds
    generator : draws the sample, and where the codes start

    Returns
    -------
    float32 (256, d)
    """
    if len(vectors) > MOST_CLUSTERED:
        vectors = vectors[torch.from_numpy(generator.choice(len(vectors), MOST_CLUSTERED, replace=False))]
    codebook = START_SCALE * vectors[torch.from_numpy(generator.choice(len(vectors), CODES, replace=False))]
    half_norms = vectors.square().sum(1) / 2
    for _ in range(iterations):
        codes, scores = nearest_codes(vectors, codebook)
        uses = torch.bincount(codes, minlength=CODES)
        codebook = torch.zeros_like(codebook).index_add_(0, codes, vectors) / uses.clamp(min=1)[:, None]
        unused = (uses == 0).nonzero()[:, 0]
        codebook[unused] = vectors[(scores + half_norms).topk(len(unused)).indices]  # the farthest from their codes
    return codebook


def nearest_codes(vectors: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
    """The code nearest to each vector, int64 (n,), and half their squared distance without ½‖vector‖², float32 (n,).

    Parameters
    ----------
    vectors : float32 (n, d)
    codebook : float32 (256, d)
    """
    half_norms = codebook.square().sum(1) / 2
    blocks = vectors.split(users_at_once(4 * CODES, vectors.device))
    found = [torch.addmm(half_norms, rows, codebook.T, alpha=-1).min(1) for rows in blocks]  # argmin takes longer
    return torch.cat([nearest.indices for nearest in found]), torch.cat([nearest.values for nearest in found])
