"""The output layer alone is trained on."""

import numpy as np
import torch
from scipy.sparse import csr_array

from stages.assembly.decoder_refit import DecoderRefit
from stages.interfaces.codec import Embeddings
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.training.loop import Training

TRAIN = csr_array((np.random.default_rng(0).random((200, 30)) < 0.2).astype(np.float32))


class Signs:
    """A coarse codec: whether a number is above 0."""

    shared_bytes = 0
    n_codebooks = 0
    fit_errors = ()

    def encode(self, embeddings: Embeddings) -> np.ndarray:
        return (np.asarray(embeddings) > 0).astype(np.uint8)

    def decode(self, codes: np.ndarray | csr_array) -> np.ndarray:
        return np.asarray(codes).astype(np.float32) - np.float32(0.5)


def trained() -> AutoEncoder:
    model = AutoEncoder(30, [8], 0.5)
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


def refitted(model: AutoEncoder) -> DecoderRefit:
    network = DecoderRefit(model, Signs()).eval()
    training = Training(
        network, TRAIN, validate=lambda: 0.0, epochs=20, batch_size=50, learning_rate=0.01, cooldown=0.0, l2=0.0,
        precision=torch.float32, seed=0,
    )  # fmt: skip
    for _ in training.run(iter):
        pass
    return network


def log_likelihood(model: AutoEncoder | DecoderRefit, network: DecoderRefit) -> float:
    codec = network.codec()
    scores = model.score(codec.decode(codec.encode(network.embed(TRAIN))))
    return float((scores.log_softmax(1) * torch.from_numpy(TRAIN.toarray())).sum())


def test_a_refitted_decoder_fits_what_is_stored_better_than_the_one_before() -> None:
    model = trained()
    network = refitted(model)
    assert log_likelihood(network, network) > log_likelihood(model, network) + 1


def test_the_trained_model_stays_as_it_is() -> None:
    model = trained()
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    refitted(model)
    assert all(torch.equal(before[name], weights) for name, weights in model.state_dict().items())


def test_what_is_saved_is_the_output_layer_alone() -> None:
    assert set(DecoderRefit(trained(), Signs()).state_dict()) == {
        "output.weight",
        "output.bias",
    }


def test_it_embeds_as_the_trained_model_does() -> None:
    model = trained()
    np.testing.assert_array_equal(DecoderRefit(model, Signs()).embed(TRAIN), model.embed(TRAIN))


def test_it_scores_as_the_trained_model_until_it_is_trained() -> None:
    model = trained()
    embeddings = model.embed(TRAIN)
    assert torch.equal(DecoderRefit(model, Signs()).score(embeddings), model.score(embeddings))


def test_a_model_with_codebooks_is_refitted_without_starting_any() -> None:
    rules = Rules(0.5, 0.9, 0.25, 0.05, learn_scores=False, ema_targets="clean")
    model = AutoEncoder(30, [8], 0.5, Bottleneck(ProductScheme(8, 4, rotation=False), rules))
    model.initialise(torch.Generator().manual_seed(0))
    refitted(model.eval())
    assert model.bottleneck is not None
    assert not model.bottleneck.is_started
