"""Product codes that are fitted after training in other ways than `stages.codecs.product` does, for studies alone."""

from collections.abc import Sequence

import faiss
import numpy as np
import torch
from scipy.sparse import csr_array

from stages.codebooks.clustering import CODES, check_vectors, quiet_clustering
from stages.codebooks.product import ProductCodec
from stages.config.quantizer import ProductSettings
from stages.config.study import FitSettings
from stages.interfaces.codec import Codec, Embeddings
from stages.models.autoencoder import AutoEncoder

BELOW_1 = np.nextafter(np.float32(1), np.float32(0))  # the last tanh in float32 that has an input: 8.66


class BeforeTanh:
    """Stores what goes into the tanh of the last layer, and applies that tanh after decoding.

    The input is the artanh of the layer. So it is known as well as float32 resolves the layer: to 0.001 up to 6; inputs
    beyond 8.66, whose tanh is 1 in float32, are taken for that.

    Parameters
    ----------
    codec : of the inputs
    """

    n_codebooks: int
    fit_errors: Sequence[float] = ()

    def __init__(self, codec: ProductCodec) -> None:
        self._codec = codec
        self.n_codebooks = codec.n_codebooks

    @property
    def shared_bytes(self) -> int:
        """Bytes of the codebooks."""
        return self._codec.shared_bytes

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        """(n, d) float32 in [-1, 1] → (n, bytes per user) uint8."""
        return self._codec.encode(before_tanh(np.asarray(embeddings)))

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        """(n, bytes per user) uint8 → (n, d) float32 in [-1, 1]."""
        return np.tanh(self._codec.decode(codes))


def before_tanh(layer: np.ndarray) -> np.ndarray:
    """What goes into the tanh of a layer; float32 (n, d) in [-1, 1] → float32 (n, d)."""
    return np.arctanh(layer.clip(-BELOW_1, BELOW_1).astype(np.float64)).astype(np.float32)


def fit_varied(
    network: AutoEncoder, train: csr_array, fit: FitSettings, quantizer: ProductSettings, seed: int
) -> Codec:
    """Fit product codes on a model's users; with the defaults of `fit`, as the stage quantize does.

    Parameters
    ----------
    train : (n_users, n_items) 0/1
    seed : of the training; decides the parts of histories, and the vectors that are drawn

    Raises
    ------
    UserError
        where there are fewer vectors than codes, all are the same, or one is not finite.
    """
    if fit.histories == "whole":
        vectors = network.embed(train)
    else:
        generator = torch.Generator(network.output.weight.device).manual_seed(seed)
        vectors = network.embed_parts(train, generator)
    if fit.layer == "linear":
        vectors = before_tanh(vectors)
    if fit.points is not None:
        vectors = np.random.default_rng(seed).permutation(vectors)[: fit.points]
    codec = ProductCodec(_codebooks(vectors, fit, quantizer))
    return BeforeTanh(codec) if fit.layer == "linear" else codec


def _codebooks(vectors: np.ndarray, fit: FitSettings, quantizer: ProductSettings) -> np.ndarray:
    """Codebooks by k-means, float32 (chunks, 256, d / chunks); errors as in `fit_varied`."""
    check_vectors(vectors, CODES)
    n, width = vectors.shape
    product = faiss.ProductQuantizer(width, quantizer.chunks, 8)
    if fit.shared:
        product.train_type = faiss.ProductQuantizer.Train_shared
    # Where chunks share a codebook, each vector has as many points for it as chunks.
    quiet_clustering(product.cp, n * quantizer.chunks if fit.shared else n, quantizer.seed)
    if fit.iterations is not None:
        product.cp.niter = fit.iterations
    product.train(np.ascontiguousarray(vectors, dtype=np.float32))
    return faiss.vector_to_array(product.centroids).reshape(quantizer.chunks, CODES, width // quantizer.chunks)
