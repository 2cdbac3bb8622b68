"""A table of codes is looked up as the table that they are decoded to."""

import copy
import doctest
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.codebooks.fitted import FittedCodec
from stages.codebooks.product import ProductCodec
from stages.codebooks.residual import ResidualCodec
from stages.codebooks.transform import Transform, decoder_metric
from stages.codecs.additive import AdditiveCodec
from stages.codecs.history import SubsampledHistory
from stages.codecs.kmeans import KMeansCodec
from stages.codecs.principal import fit_principal
from stages.codecs.scalar import fit_scalar, fit_signs
from stages.codecs.tree import TreeCodec
from stages.interfaces.codec import Codec, Float16, Float32, WholeHistory
from stages.run.errors import UserError
from stages.serving import lookup
from stages.serving.lookup import QuantizedEmbedding
from tests.conftest import NO_GPU

WIDTH = 12
DRAWS = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return DRAWS.normal(size=shape).astype(np.float32)


VECTORS = drawn(3000, WIDTH)
TURN = np.linalg.qr(drawn(WIDTH, WIDTH))[0]
ROTATION = Transform(TURN, TURN.T)
METRIC = decoder_metric(drawn(30, WIDTH), np.full(30, 1 / 30, np.float32))
PRINCIPAL = fit_principal(VECTORS, 8)
# Codebooks are drawn: to look codes up is the same as if they were fitted, which would take most of the time.
CODECS: dict[str, Codec] = {
    "product-3": ProductCodec(drawn(3, 256, 4)),
    "product-12": ProductCodec(drawn(12, 256, 1)),
    "rotated product-3": ProductCodec(drawn(3, 256, 4), ROTATION),
    "residual-4": ResidualCodec(drawn(4, 256, WIDTH), beam=5),
    "residual-8, first 3": ResidualCodec(drawn(8, 256, WIDTH), beam=1).prefix(3),
    "residual-4 in the decoder's metric": ResidualCodec(drawn(4, 256, WIDTH), 5, METRIC),
    "residual-4 in the decoder's metric, first 2": ResidualCodec(drawn(4, 256, WIDTH), 5, METRIC).prefix(2),
    "additive-4": AdditiveCodec(drawn(4, 256, WIDTH), beam=5),
    "kmeans-16": KMeansCodec(drawn(16, WIDTH), np.zeros(0)),
    "kmeans-256": KMeansCodec(drawn(256, WIDTH), np.zeros(0)),
    "kmeans-257": KMeansCodec(drawn(257, WIDTH), np.zeros(0)),
    "kmeans-70,000": KMeansCodec(drawn(70_000, WIDTH), np.zeros(0)),
    "tree-16-2": TreeCodec(drawn(256, WIDTH), drawn(16, WIDTH), 16),
    "tree-8-3": TreeCodec(drawn(512, WIDTH), drawn(72, WIDTH), 8),
    "scalar-8bit": fit_scalar(VECTORS, "8bit"),
    "scalar-4bit": fit_scalar(VECTORS, "4bit"),
    "scalar-6bit": fit_scalar(VECTORS, "6bit"),
    "scalar-1bit": fit_signs(VECTORS),
    "scalar-float16": fit_scalar(VECTORS, "float16"),
    "scalar-bfloat16": fit_scalar(VECTORS, "bfloat16"),
    "float16": Float16(),
    "float32": Float32(),
    "principal-8": fit_scalar(VECTORS, "8bit", PRINCIPAL),
    "principal-8 in 6bit": fit_scalar(VECTORS, "6bit", PRINCIPAL),
    "principal-8 in 4bit": fit_scalar(VECTORS, "4bit", PRINCIPAL),
    "principal-7 in 4bit": fit_scalar(VECTORS, "4bit", fit_principal(VECTORS, 7)),
    "principal-8 in float16": fit_scalar(VECTORS, "float16", PRINCIPAL),
}
ROUNDED = {name for name in CODECS if any(word in name for word in ("rotated", "metric", "principal", "6bit"))}
FLOATS = {name for name in CODECS if "float" in name}
SHARED_NUMBERS = {
    "product-3": 256 * WIDTH,
    "residual-4": 4 * 256 * WIDTH,
    "residual-8, first 3": 3 * 256 * WIDTH,
    "kmeans-257": 257 * WIDTH,
    "tree-8-3": 512 * WIDTH,
    "scalar-8bit": 256 * WIDTH,
    "scalar-4bit": 256 * WIDTH,
    "scalar-6bit": 3 * 256 * WIDTH,
    "scalar-1bit": 2 * 256 * 8 + 16 * WIDTH,
    "scalar-float16": 0,
    "rotated product-3": 256 * WIDTH + WIDTH**2,
    "principal-8": 256 * 8 + 8 * WIDTH + WIDTH,
}
EDGES = torch.tensor([[0, 2999, 5], [5, 5, 1700]])


class Table:
    """A codec, its codes of `VECTORS`, what it decodes them to, and the layer."""

    def __init__(self, name: str) -> None:
        self.name, self.codec = name, CODECS[name]
        self.codes = np.asarray(self.codec.encode(VECTORS))
        self.decoded = torch.from_numpy(np.array(self.codec.decode(self.codes)))
        self.layer = QuantizedEmbedding.from_codec(self.codec, self.codes)

    def check(self, found: Tensor, expected: Tensor) -> None:
        """Bit for bit; but products of matrices round by library and batch, and so do 6 bits, which are summed here."""
        assert found.dtype == torch.float32
        assert found.shape == expected.shape
        if self.name in ROUNDED:
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected.numpy()).max(initial=0))
        else:
            assert torch.equal(found, expected)


@pytest.fixture(params=CODECS, scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    return Table(request.param)


@pytest.fixture(scope="module")
def product() -> Table:
    return Table("product-3")


def test_every_row_is_what_the_codec_decodes(table: Table) -> None:
    table.check(table.layer(torch.arange(len(VECTORS))), table.decoded)


@pytest.mark.parametrize(
    "indices",
    [
        torch.tensor(7),
        torch.tensor([7]),
        torch.tensor([], dtype=torch.int64),
        torch.zeros(2, 0, dtype=torch.int64),
        EDGES,
        EDGES.T,
        EDGES.int(),
        torch.arange(24).view(2, 3, 4),
    ],
    ids=lambda indices: f"{indices.dtype} {list(indices.shape)}",
)
def test_indices_of_any_shape_as_of_an_embedding(table: Table, indices: Tensor) -> None:
    table.check(table.layer(indices), nn.Embedding.from_pretrained(table.decoded)(indices))


@pytest.mark.parametrize("index", [-1, len(VECTORS)])
def test_an_index_out_of_range_is_an_index_error_as_of_an_embedding(table: Table, index: int) -> None:
    for lookup_of in (nn.Embedding.from_pretrained(table.decoded), table.layer, table.layer.bag):
        with pytest.raises(IndexError, match="out of range"):
            lookup_of(torch.tensor([[3, index]]))


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize(
    ("indices", "offsets"),
    [
        (EDGES, None),
        (EDGES.flatten(), torch.tensor([0, 0, 4, 6])),  # the first and the last are empty
        (EDGES.flatten().int(), torch.tensor([0, 2], dtype=torch.int32)),
        (torch.tensor([], dtype=torch.int64), torch.tensor([0, 0])),
        (torch.arange(3000).repeat(2), torch.arange(0, 6000, 60)),
    ],
    ids=["two dimensions", "empty bags", "int32", "nothing", "long bags"],
)
def test_bags_as_of_an_embedding_bag(table: Table, mode: str, indices: Tensor, offsets: Tensor | None) -> None:
    expected = nn.EmbeddingBag.from_pretrained(table.decoded, mode=mode)(indices, offsets)
    table.check(table.layer.bag(indices, offsets, mode="sum" if mode == "sum" else "mean"), expected)


def test_an_empty_bag_is_zeros(table: Table) -> None:
    assert not table.layer.bag(torch.tensor([3, 4]), torch.tensor([0, 2]))[1].any()


def test_a_bag_is_a_mean_unless_told_as_of_an_embedding_bag(table: Table) -> None:
    table.check(table.layer.bag(EDGES), nn.EmbeddingBag.from_pretrained(table.decoded)(EDGES))


def test_weighted_sums_as_of_an_embedding_bag(table: Table) -> None:
    weights = torch.tensor([[0.5, -2.0, 1.0], [0.0, 3.0, 0.25]])
    whole = nn.EmbeddingBag.from_pretrained(table.decoded, mode="sum")
    table.check(table.layer.bag(EDGES, None, weights, "sum"), whole(EDGES, None, weights))
    flat = (EDGES.flatten(), torch.tensor([0, 4]), weights.flatten())
    table.check(table.layer.bag(*flat, "sum"), whole(*flat))


def test_weighted_means_are_refused_as_by_an_embedding_bag(product: Table) -> None:
    with pytest.raises(NotImplementedError, match="mode='sum'"):
        product.layer.bag(EDGES, per_sample_weights=torch.ones(2, 3))


def test_weights_learn(product: Table) -> None:
    weights = torch.ones(2, 3, requires_grad=True)
    product.layer.bag(EDGES, None, weights, "sum").sum().backward()
    torch.testing.assert_close(weights.grad, product.decoded[EDGES].sum(2))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_sparse_matrix_times_the_table_is_a_bag(table: Table) -> None:
    matrix = drawn(40, 3000) * (drawn(40, 3000) > 2)
    users = torch.from_numpy(matrix).to_sparse_csr()
    sums = table.layer.bag(users.col_indices(), users.crow_indices()[:-1], users.values(), "sum")
    torch.testing.assert_close(sums, torch.from_numpy(matrix) @ table.decoded, rtol=1e-5, atol=1e-5)


def test_dense_is_the_whole_table_whatever_the_block(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in (lookup.BLOCK, 700, 1000):
        monkeypatch.setattr(lookup, "BLOCK", block)
        table.check(table.layer.dense(), table.decoded)


def test_an_empty_table_has_no_rows(table: Table) -> None:
    assert QuantizedEmbedding.from_codec(table.codec, table.codes[:0]).dense().shape == (0, WIDTH)


def test_codes_take_the_bytes_that_the_codec_promises(table: Table) -> None:
    if isinstance(table.codec, FittedCodec):
        assert table.codes.shape[1] == table.codec.bytes_per_vector
    assert table.layer.codes.is_floating_point() == (table.name in FLOATS)
    assert table.layer.code_bytes == table.codes.nbytes


def test_what_is_shared_is_float32(table: Table) -> None:
    shared = [part for name, part in table.layer.state_dict().items() if name != "codes"]
    assert {part.dtype for part in shared} <= {torch.float32}
    assert table.layer.shared_bytes == sum(part.nbytes for part in shared)
    if table.name in SHARED_NUMBERS:
        assert table.layer.shared_bytes == 4 * SHARED_NUMBERS[table.name]


def test_has_the_size_of_an_embedding(table: Table) -> None:
    assert (table.layer.num_embeddings, table.layer.embedding_dim) == VECTORS.shape
    assert repr(table.layer) == f"QuantizedEmbedding(3000, 12, bytes_per_vector={table.codes.shape[1]})"


def test_nothing_is_trainable(table: Table) -> None:
    assert list(table.layer.parameters()) == []
    assert not table.layer(EDGES).requires_grad


def test_a_layer_after_it_trains(table: Table) -> None:
    model = nn.Sequential(copy.deepcopy(table.layer), nn.Linear(WIDTH, 1))
    before = {name: part.clone() for name, part in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = (model(EDGES) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    changed = {name for name, part in model.state_dict().items() if not torch.equal(part, before[name])}
    assert changed == {"1.weight", "1.bias"}


def test_the_state_dict_is_the_layer(table: Table) -> None:
    file = io.BytesIO()
    torch.save(table.layer.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    other = QuantizedEmbedding.from_codec(table.codec, np.zeros_like(table.codes))
    other.load_state_dict(state)
    for layer in (other, QuantizedEmbedding(**state)):
        assert torch.equal(layer(EDGES), table.layer(EDGES))


def test_loading_leaves_the_codec_and_its_codes_alone(product: Table) -> None:
    codes = product.codes.copy()
    layer = QuantizedEmbedding.from_codec(product.codec, codes)
    layer.load_state_dict({name: torch.zeros_like(part) for name, part in layer.state_dict().items()})
    np.testing.assert_array_equal(codes, product.codes)
    np.testing.assert_array_equal(product.codec.decode(codes), product.decoded)


@pytest.mark.parametrize("other", ["fewer rows", "narrower", "summed", "transformed"])
def test_the_state_of_another_table_is_refused(product: Table, other: str) -> None:
    assert isinstance(product.codec, ProductCodec)
    state = product.layer.state_dict()
    match other:
        case "fewer rows":
            layer = QuantizedEmbedding.from_codec(product.codec, product.codes[:-1])
        case "narrower":
            layer = QuantizedEmbedding.from_codec(ProductCodec(product.codec.codebooks[..., :2]), product.codes)
        case "summed":  # three codebooks of codes as wide as the chunks
            layer = QuantizedEmbedding(state["codes"], state["codebooks"].transpose(0, 1))
        case _:
            layer = Table("rotated product-3").layer
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing key"):
        layer.load_state_dict(state)


def test_the_order_of_codes_in_memory_does_not_matter(product: Table) -> None:
    layer = QuantizedEmbedding.from_codec(product.codec, np.asfortranarray(product.codes))
    assert torch.equal(layer.dense(), product.decoded)


def test_a_cast_leaves_the_codes(product: Table) -> None:
    layer = copy.deepcopy(product.layer).double()
    assert torch.equal(layer.codes, product.layer.codes)
    assert torch.equal(layer(EDGES), product.decoded[EDGES].double())


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
def test_on_a_gpu_it_gives_the_same(table: Table) -> None:
    layer = copy.deepcopy(table.layer).to("cuda")
    assert {part.device.type for part in layer.state_dict().values()} == {"cuda"}
    on_gpu = (layer(EDGES.to("cuda")), layer.bag(EDGES.to("cuda"), mode="sum"), layer.dense())
    here = (table.layer(EDGES), table.layer.bag(EDGES, mode="sum"), table.layer.dense())
    for found, expected in zip(on_gpu, here, strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(FLOATS))
def test_a_cast_casts_floats(name: str) -> None:
    table = Table(name)
    layer = table.layer.double()
    assert layer(EDGES).dtype == torch.float64
    torch.testing.assert_close(layer(EDGES).float(), table.decoded[EDGES], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("width", [1, 5, 7, 9, 16])
def test_numbers_that_do_not_fill_the_last_byte(width: int) -> None:
    vectors = drawn(300, width)
    for codec in (fit_scalar(vectors, "4bit"), fit_signs(vectors)):
        codes = codec.encode(vectors)
        layer = QuantizedEmbedding.from_codec(codec, codes)
        assert torch.equal(layer.dense(), torch.from_numpy(codec.decode(codes)))


UNSUPPORTED: dict[str, Codec] = {
    "ScalarCodec 6bit of width 5": fit_scalar(VECTORS[:, :5], "6bit"),
    "SubsampledHistory": SubsampledHistory(100, 8, 0),
    "WholeHistory": WholeHistory(),
}


@pytest.mark.parametrize("said", UNSUPPORTED)
def test_a_codec_that_it_cannot_look_up_is_said(said: str) -> None:
    with pytest.raises(UserError, match=f"can't look up codes of {said}; take a codec that stores vectors"):
        QuantizedEmbedding.from_codec(UNSUPPORTED[said], np.zeros((3, 3), dtype=np.uint8))


@pytest.mark.parametrize("wrong", [np.zeros((5, 4), np.uint8), np.zeros((5, 3), np.int64), np.zeros(3, np.uint8)])
def test_codes_that_are_not_the_codecs_are_said(product: Table, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(n, 3\)"):
        QuantizedEmbedding.from_codec(product.codec, wrong)


def test_the_example_of_its_docstring_runs() -> None:
    assert doctest.testmod(lookup) == (0, 6)
