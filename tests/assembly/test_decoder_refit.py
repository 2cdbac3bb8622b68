"""The output layer alone is trained on."""

import numpy as np
import torch
from scipy.sparse import csr_array

from stages.assembly.decoder_refit import Refit
from stages.codecs.kmeans import fit_kmeans
from stages.models.autoencoder import AutoEncoder
from stages.models.training import Training

TRAIN = csr_array((np.random.default_rng(0).random((200, 30)) < 0.2).astype(np.float32))


def trained() -> AutoEncoder:
    model = AutoEncoder(30, [8], 0.5)
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


def refitted(model: AutoEncoder) -> Refit:
    network = Refit(model, fit_kmeans(model.embed(TRAIN), 4, seed=0)).eval()
    training = Training(
        network, TRAIN, validate=lambda: 0.0, epochs=20, batch_size=50, learning_rate=0.01, cooldown=0.0, l2=0.0,
        precision=torch.float32, seed=0,
    )  # fmt: skip
    for _ in training.run(iter):
        pass
    return network


def log_likelihood(model: AutoEncoder, network: Refit) -> float:
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
    assert set(Refit(trained(), fit_kmeans(trained().embed(TRAIN), 4, seed=0)).state_dict()) == {
        "output.weight",
        "output.bias",
    }
