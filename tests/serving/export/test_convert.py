"""A package's arrays compute what the model and its codec compute."""

import numpy as np
import pytest

from stages.codecs.kmeans import KMeansCodec
from stages.serving.export.convert import layers_of, quantizer_of
from tests.serving.package.made_up import TRAINED, drawn, histories


@pytest.mark.parametrize("name", TRAINED)
def test_layers_embed_as_the_model_does(name: str) -> None:
    model = TRAINED[name].model
    likes = histories().toarray()
    hidden = likes / np.sqrt(likes.sum(1, keepdims=True).clip(1))
    for layer in layers_of(model):
        hidden = hidden @ layer.weight + layer.bias
        hidden = np.tanh(hidden) if layer.tanh else hidden
    np.testing.assert_allclose(hidden, model.embed(histories()), atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_a_quantizer_decodes_as_the_codec_does(name: str) -> None:
    codec = TRAINED[name].codec
    quantizer = quantizer_of(codec)
    codes = np.random.default_rng(2).integers(256, size=(100, quantizer.n_bytes), dtype=np.uint8)
    expected = np.asarray(codec.decode(codes))
    np.testing.assert_allclose(quantizer.decode(codes), expected, atol=1e-6)
    added = quantizer.vectors()[np.arange(quantizer.n_bytes), codes]  # (100, n_bytes, d)
    np.testing.assert_allclose(added.sum(1) + quantizer.offset, expected, atol=1e-5)
    assert quantizer.width == expected.shape[1]


def test_other_codecs_are_a_fault_of_the_caller() -> None:
    with pytest.raises(TypeError, match="KMeansCodec has no product or residual codebooks"):
        quantizer_of(KMeansCodec(drawn(16, 4), np.zeros(0)))
