"""What every model and every reference has to do, whatever its family."""

import io

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Recommender
from stages.models.autoencoder import AutoEncoder
from stages.models.bottleneck.bottleneck import Bottleneck, Rules
from stages.models.bottleneck.product import ProductScheme
from stages.models.bottleneck.residual import ResidualScheme
from stages.models.vae import VariationalAutoEncoder
from stages.references.ease import Ease
from stages.references.popularity import Popularity
from stages.references.reference import Reference
from stages.training.loop import Training
from tests.conftest import NO_GPU

WIDTHS = {"popularity": 0, "ease": None, "dae": 8, "vae": 12, "pq-vae": 8, "rq-vae": 8}
RULES = Rules(0.2, 0.99, 0.25, 0.05, learn_scores=True, ema_targets="clean")


def build(name: str, n_items: int) -> Recommender:
    match name:
        case "popularity":
            return Popularity(n_items)
        case "ease":
            return Ease(n_items, l2=10.0)
        case "dae":
            return AutoEncoder(n_items, [8], dropout=0.5)
        case "vae":
            return VariationalAutoEncoder(n_items, [12, 6, 12], dropout=0.5, kl_cap=0.2, kl_anneal=0.8)
        case "pq-vae":
            return AutoEncoder(n_items, [16, 8], 0.5, Bottleneck(ProductScheme(8, 4, rotation=True), RULES))
        case _:
            scheme = ResidualScheme(8, 4, beam=2, training_beam=1, metric="euclidean")
            return AutoEncoder(n_items, [16, 8], 0.5, Bottleneck(scheme, RULES))


def fit(name: str, train: csr_array) -> Recommender:
    model = build(name, train.shape[1])
    if isinstance(model, AutoEncoder):
        training = Training(
            model,
            train,
            lambda: 0.0,
            epochs=30,
            batch_size=30,
            learning_rate=1e-2,
            cooldown=0.0,
            l2=0.01,
            precision=torch.float32,
            seed=0,
        )
        for _ in training.run(iter):
            pass
    else:
        assert isinstance(model, Reference)
        model.fit(train)
    return model.eval()


@pytest.fixture(params=WIDTHS, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str, checkerboard: csr_array) -> Recommender:
    return fit(name, checkerboard)


def scores_of(model: Recommender, users: csr_array) -> np.ndarray:
    codec = model.codec()
    return model.score(codec.decode(codec.encode(model.embed(users)))).numpy()


def test_embeddings_are_a_vector_per_user(model: Recommender, name: str, checkerboard: csr_array) -> None:
    embeddings = model.embed(checkerboard)
    assert embeddings.shape == (checkerboard.shape[0], WIDTHS[name] if name != "ease" else checkerboard.shape[1])
    assert embeddings.dtype == np.float32


def test_scores_are_a_number_per_user_and_item(model: Recommender, checkerboard: csr_array) -> None:
    scores = model.score(model.embed(checkerboard))
    assert scores.shape == checkerboard.shape
    assert scores.dtype == torch.float32
    assert bool(torch.isfinite(scores).all())


def test_its_codec_gives_back_what_scores(model: Recommender, checkerboard: csr_array) -> None:
    codec = model.codec()
    assert isinstance(codec, Codec)
    decoded = codec.decode(codec.encode(model.embed(checkerboard)))
    assert decoded.shape == model.embed(checkerboard).shape


@pytest.mark.parametrize("name", [name for name in WIDTHS if name != "popularity"], indirect=True, scope="module")
def test_unseen_items_of_a_users_colour_come_first(model: Recommender, checkerboard: csr_array) -> None:
    scores = np.where(checkerboard.toarray() > 0, -np.inf, scores_of(model, checkerboard))
    best = scores.argmax(1)
    same_colour = (np.arange(len(best)) + best) % 2 == 0
    assert same_colour.mean() > 0.99


def test_users_are_scored_alone_as_together(model: Recommender, checkerboard: csr_array) -> None:
    together = scores_of(model, checkerboard[:20])
    alone = np.concatenate([scores_of(model, checkerboard[user : user + 1]) for user in range(20)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


def test_a_user_without_interactions_gets_scores(model: Recommender, checkerboard: csr_array) -> None:
    nobody = csr_array(np.zeros((1, checkerboard.shape[1]), dtype=np.float32))
    assert np.isfinite(scores_of(model, nobody)).all()


def test_fitting_twice_gives_the_same_bits(model: Recommender, name: str, checkerboard: csr_array) -> None:
    again = fit(name, checkerboard)
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_weights_survive_the_disk(model: Recommender, name: str, checkerboard: csr_array) -> None:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    loaded = build(name, checkerboard.shape[1])
    loaded.load_state_dict(torch.load(file, weights_only=True))
    np.testing.assert_array_equal(scores_of(loaded.eval(), checkerboard), scores_of(model, checkerboard))


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
@pytest.mark.parametrize("name", ["dae", "vae", "pq-vae", "rq-vae"], indirect=True, scope="module")
def test_a_gpu_scores_as_a_cpu(model: Recommender, name: str, checkerboard: csr_array) -> None:
    on_gpu = build(name, checkerboard.shape[1])
    on_gpu.load_state_dict(model.state_dict())
    scores = on_gpu.to("cuda").eval().score(model.embed(checkerboard)).cpu().numpy()
    np.testing.assert_allclose(scores, model.score(model.embed(checkerboard)).numpy(), rtol=1e-3, atol=1e-4)
