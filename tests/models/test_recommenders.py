"""What every model has to do, whatever its family."""

import io

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from stages.interfaces.codec import Codec
from stages.interfaces.recommender import Interactions, Recommender
from stages.models.autoencoder import AutoEncoder, VariationalAutoEncoder
from stages.models.bottleneck.bottleneck import ProductBottleneck, ResidualBottleneck, Rules
from stages.models.training import Training
from stages.references.ease import Ease
from stages.references.popularity import Popularity
from stages.run.errors import UserError

WIDTHS = {"popularity": 0, "ease": None, "dae": 8, "vae": 12, "pq-vae": 8, "rq-vae": 8}
RULES = Rules(0.2, 0.99, 0.25, 0.05, learn_scores=True, follow="clean")


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
            return AutoEncoder(n_items, [16, 8], 0.5, ProductBottleneck(8, 4, RULES, rotation=True))
        case _:
            return AutoEncoder(
                n_items, [16, 8], 0.5, ResidualBottleneck(8, 4, RULES, beam=2, training_beam=1, metric=False)
            )


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
        assert isinstance(model, Popularity | Ease)
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_scores_as_a_cpu(model: Recommender, name: str, checkerboard: csr_array) -> None:
    on_gpu = build(name, checkerboard.shape[1])
    on_gpu.load_state_dict(model.state_dict())
    scores = on_gpu.to("cuda").eval().score(model.embed(checkerboard)).cpu().numpy()
    np.testing.assert_allclose(scores, model.score(model.embed(checkerboard)).numpy(), rtol=1e-3, atol=1e-4)


def test_gathered_rows_are_the_matrix_rows(checkerboard: csr_array) -> None:
    rows = np.array([7, 0, 7, 299])
    batch = Interactions(checkerboard, torch.device("cpu")).rows(torch.from_numpy(rows))
    dense = np.zeros((len(rows), checkerboard.shape[1]))
    dense[batch.users, batch.items] = 1
    np.testing.assert_array_equal(dense, checkerboard[rows].toarray())


def test_popularity_ranks_by_count_and_ties_by_order() -> None:
    train = csr_array(np.array([[1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 0, 0]], dtype=np.float32))
    model = Popularity(4)
    model.fit(train)
    assert model.score(model.embed(train))[0].argsort(descending=True).tolist() == [0, 2, 3, 1]


def test_ease_is_its_closed_form(checkerboard: csr_array) -> None:
    """Steck 2019, equation 8, with a general inverse."""
    dense = checkerboard.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 10.0 * np.eye(dense.shape[1]))
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    model = Ease(dense.shape[1], l2=10.0)
    model.fit(checkerboard)
    np.testing.assert_allclose(model.weights.numpy(), weights, atol=1e-6)
    np.testing.assert_allclose(model.score(checkerboard).numpy(), dense @ weights, atol=1e-5)


def test_ease_says_when_there_are_too_many_items_for_this_machine() -> None:
    with pytest.raises(UserError, match="EASE needs 80,000,000 GB of memory for 100,000,000 items"):
        Ease(100_000_000, l2=1.0)


def test_ease_says_when_l2_is_too_small(checkerboard: csr_array) -> None:
    with pytest.raises(UserError, match="raise l2 of ease"):
        Ease(checkerboard.shape[1], l2=1e-12).fit(csr_array(np.repeat(checkerboard[:3].toarray(), 7, axis=0)))
