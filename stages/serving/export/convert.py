"""The parts of a package, of a trained model and the codec of its users."""

import numpy as np
from torch import Tensor, nn

from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.guided.guide import Guide
from stages.interfaces.codec import Codec
from stages.models.autoencoder import AutoEncoder
from stages.models.vae import VariationalAutoEncoder
from stages.serving.package.package import Items, Layer, Quantizer


def layers_of(model: AutoEncoder) -> list[Layer]:
    """The encoder, from a history to the last hidden layer; of a VAE's latent the mean alone."""
    layers = [Layer(_array(model.input_weight), _array(model.input_bias), tanh=True)]
    linear = [layer for layer in model.layers if isinstance(layer, nn.Linear)]
    layers += [Layer(_array(layer.weight.T), _array(layer.bias), tanh=True) for layer in linear]
    if isinstance(model, VariationalAutoEncoder):
        middle = len(layers) // 2  # its outputs are means, then log-variances
        latent, width = layers[middle], len(layers[middle].bias) // 2
        layers[middle] = Layer(np.ascontiguousarray(latent.weight[:, :width]), latent.bias[:width], tanh=False)
    return layers


def quantizer_of(codec: Codec, guide: Guide | None = None) -> Quantizer:
    """The quantizer of product or residual codes.

    Parameters
    ----------
    codec : whose codes are the nearest
    guide : how codes are chosen in their place

    Raises
    ------
    TypeError
        where the codec is of another kind; params.yaml names none of these.
    """
    if not isinstance(codec, ProductCodec | ResidualCodec):
        raise TypeError(f"{type(codec).__name__} has no product or residual codebooks")
    maps = {} if codec.transform is None else dict(vars(codec.transform))
    if isinstance(codec, ProductCodec):
        return Quantizer("product", codec.codebooks, codec.bytes_per_vector, **maps, guide=guide)
    return Quantizer("residual", codec.codebooks, codec.bytes_per_vector, codec.beam, **maps, guide=guide)


def items_of(model: AutoEncoder, ids: np.ndarray, titles: list[str] | None, interactions: np.ndarray) -> Items:
    """The catalogue, with the model's output layer; ids, titles and interactions as in `Items`."""
    return Items(ids, titles, _array(model.output.weight), _array(model.output.bias), interactions)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())
