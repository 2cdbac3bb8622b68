"""Principal components (PCA) with faiss, one byte per component."""

import faiss
import numpy as np

from stages.codebooks.clustering import check_vectors
from stages.codebooks.fitted import FittedCodec
from stages.codebooks.transform import Transform
from stages.codecs.scalar import fit_scalar
from stages.config.quantizer import PrincipalSettings
from stages.config.strict import Variant


def fit(settings: PrincipalSettings, vectors: np.ndarray, n_items: int) -> dict[Variant, FittedCodec]:  # noqa: ARG001
    """Fit as many principal components as bytes, for every number of bytes; see `stages.codecs.fit`."""
    return {n_bytes: fit_scalar(vectors, "8bit", fit_principal(vectors, n_bytes)) for n_bytes in settings.bytes}


def fit_principal(vectors: np.ndarray, dimensions: int) -> Transform:
    """Fit the directions of greatest variance (PCA) with faiss.

    Parameters
    ----------
    vectors : float32 (n, d)
    dimensions : number of components

    Raises
    ------
    UserError
        where there are fewer vectors than dimensions, all are the same, or one is not finite.
    """
    check_vectors(vectors, dimensions)
    width = vectors.shape[1]
    principal = faiss.PCAMatrix(width, dimensions)
    principal.max_points_per_d = -(-len(vectors) // width)  # else faiss samples 1,000 per dimension
    principal.train(np.ascontiguousarray(vectors, dtype=np.float32))
    back = faiss.vector_to_array(principal.A).reshape(dimensions, width)  # faiss maps column vectors, x ↦ A x + b
    return Transform(np.ascontiguousarray(back.T), back, faiss.vector_to_array(principal.mean))
