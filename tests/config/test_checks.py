"""What blocks say of each other, and what entries ask of a split."""

from collections.abc import Callable

import pytest

from stages.config.checks import check_split
from stages.config.params import Params
from stages.run.errors import UserError


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("\n    chunks: 40\n", "\n    chunks: 30\n", "quantizers.pq-40x5: 30 chunks do not divide"),
        ("  - ml-20m\n", "  - ml-21m\n", "run: 'ml-21m' is not under datasets"),
        ("  - ml-20m\n", "  - ml-20m\n  - ml-20m\n", "run: 'ml-20m' is there more than once"),
        (
            "      dae-10: {}\n",
            "",
            "datasets.ml-20m.models: 'dae-10' is missing; write 'dae-10: {}' to train it as",
        ),
        ("      dae-10: {}\n", "      dae-6: {}\n", "datasets.ml-20m.models: 'dae-6' is not under models"),
        (
            "dae-10: {}",
            "dae-10: {start: 0.5}",
            "datasets.ml-20m.models.dae-10.start: is for models with a bottle",
        ),
        ("\nseeds: [0, 1, 2]", "\nseeds: [0, 1, 1]", "seeds: 1 is there more than once"),
        (
            "no commitment: { bottleneck: { commitment: 0.0 } }",
            "no commitment: { bottleneck: { comitment: 0.0 } }",
            "variants.no commitment.bottleneck.comitment: unknown key; did you mean 'commitment'",
        ),
        (
            "    model: rq-vae-200 #",
            "    model: rq-vae-300 #",
            "studies.ablation.model: 'rq-vae-300' is not under models",
        ),
        ("  rq-vae-200: #", "  ease: #", "two rows are named 'ease'; rename an entry"),
        (
            "  history: #",
            "  rq-20b: {kind: product, chunks: 4, rotation: false, seed: 1}\n  history: #",
            "two rows are named 'dae-200-rq-20b'",
        ),
        ("  dae-200: all\n", "  ease: all\n", "quantized_models: 'ease' is not an auto-encoder"),
        ("  dae-200: all\n", "  rq-vae-200: all\n", "quantized_models: 'rq-vae-200' is not an auto-encoder"),
        ("[pq-40x5, pq-20x10] #", "[pq-40x5, pq] #", "quantized_models.dae-200-200-200: 'pq' is not under quantizers"),
        ("bytes: [40, 20, 10]\n", "bytes: [400]\n", "quantizers.pca: there are no 400 directions in the width 200"),
        ("  rq-vae-200: [10, 5]", "  dae-200: [10, 5]", "budgets: 'dae-200' is not a model with a residual bottleneck"),
        ("  rq-vae-200: [10, 5]", "  rq-vae-200: [21]", "budgets.rq-vae-200: must be from 2 to 20, the bytes of the"),
        ("[pq-20x10, scalar]", "[pq]", "quantized_items.dae-200: 'pq' is not fitted on the model's users"),
        ("[pq-20x10, scalar]", "[history]", "quantized_items.dae-200: 'history' keeps histories, and has"),
        ("  dae-200: [pq-20x10, sc", "  dae-10: [pq-20x10, sc", "quantized_items: 'dae-10' is not under quantized"),
        (
            "quantizers: [pq-20x10] #",
            "quantizers: [pq] #",
            "refits.dae-200: 'pq' is not fitted on the model's users",
        ),
        ("  rq-vae-200: dae-200\n", "  rq-vae: dae-200\n", "float_twins: 'rq-vae' is not a model with a bottleneck"),
        ("  rq-vae-200: dae-200\n", "  dae-20: dae-200\n", "float_twins: 'dae-20' is not a model with a bottleneck"),
        (
            "  rq-vae-200: dae-200\n",
            "",
            "float_twins: 'rq-vae-200' is quantized in training and has no float twin; name the row of a float model",
        ),
        (
            "  rq-vae-200: dae-200\n",
            "  rq-vae-200: dae-20\n",
            "float_twins.rq-vae-200: 'dae-20' is not the row of a model without bottleneck",
        ),
        (
            "  rq-vae-200: dae-200\n",
            "  rq-vae-200: opq-vae-200-40x5\n",
            "float_twins.rq-vae-200: 'opq-vae-200-40x5' is not the row of a model without bottleneck",
        ),
        ("dae-200-rq-5b, rq-vae", "dae-200-rq-6b, rq-vae", "serving.rows: 'dae-200-rq-6b' is not a row of the report"),
        ("dae-200-rq-5b, rq-vae", "rq-vae-200-20b, rq-vae", "serving.rows: 'rq-vae-200-20b' is there more than once"),
        *(
            ("dae-200-rq-5b, rq-vae", f"{row}, rq-vae", f"serving.rows: '{row}' has no product or residual codes")
            for row in ("ease", "dae-20-float16", "dae-200", "dae-200-kmeans-k256", "dae-200-lsq-5b", "dae-200-pca-40b")
        ),
        (
            "  seed: 0 # of the training",
            "  seed: 7 #",
            "serving.seed: 7 is not one of the seeds of the trainings, 0, 1, 2",
        ),
    ],
)
def test_a_fault_between_blocks_is_said_by_its_path(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint_after(old, new)


def test_a_twin_may_be_one_of_several_rows_of_its_model(committed: str, read: Callable[[str], Params]) -> None:
    params = read(committed.replace("  rq-vae-200: dae-200\n", "  rq-vae-200: dae-20-float16\n"))
    twin = params.float_twin_of(params.rows_of("rq-vae-200")[0])
    assert twin is not None
    assert twin.name == "dae-20-float16"
    assert params.post_hoc_twin_of(params.rows_of("rq-vae-200")[0]) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  dae-200: # the", "  dae-200:\n    wide: 1 # the"),  # named by quantized_models, refits, float_twins, …
        ("  rq-vae-200: # beyond", "  rq-vae-200:\n    wide: 1 # beyond"),  # by float_twins, budgets, studies
        ("  dae-20: # as", "  dae-20:\n    wide: 1 # as"),
        ("    title: MovieLens-20M\n", "    title: 7\n"),  # by run
        ("  scalar: # every", "  scalar:\n    wide: 1 # every"),  # by quantized_items
        ("  dae-200: all\n", "  dae-200: some\n"),  # by quantized_items, refits
        ("  rq-vae-200: dae-200\n", "  rq-vae-200: 7\n"),
        ("  rq: # each", "  rq:\n    wide: 1 # each"),  # by serving
        ("  scorer: auto", "  scorer: fast"),
    ],
)
def test_what_names_a_wrong_entry_is_no_further_fault(
    complaint_after: Callable[[str, str], str], old: str, new: str
) -> None:
    assert "params.yaml has a wrong entry" in complaint_after(old, new)


def test_a_missing_block_is_the_only_fault(committed: str, complaint: Callable[[str], str]) -> None:
    before, _, rest = committed.partition("quantizers: # rows")
    assert complaint(before + "refits: #" + rest.partition("refits: #")[2]).splitlines()[1:] == [
        "  quantizers: is missing"
    ]


def test_a_wrong_block_hides_no_fault_between_others(committed: str, complaint: Callable[[str], str]) -> None:
    text = committed.replace("digits: 5", "digits: 50").replace("- ml-20m\n", "- ml\n").replace("[10, 5]\n", "[21]\n")
    lines = complaint(text.replace("lsq: #", "LSQ: #")).splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("  quantizers.LSQ: must be a name of a-z, 0-9 and -")
    assert lines[2].startswith("  report.digits: ")
    assert lines[3] == "  run: 'ml' is not under datasets"
    assert lines[4].startswith("  budgets.rq-vae-200: ")


@pytest.mark.parametrize(
    ("n_users", "n_items", "models", "expected"),
    [
        (255, 1000, ["rq-vae-200"], "models.rq-vae-200: 256 codes need as many train users, there are 255"),
        (255, 1000, ["dae-200"], "quantizers.pq-20x10: 256 codes need as many train users, there are 255"),
        (1000, 255, ["dae-200"], "quantizers.pq-20x10: 256 codes need as many items, there are 255"),
    ],
)
def test_a_split_that_is_too_small_is_said_by_entry(
    params: Params, n_users: int, n_items: int, models: list[str], expected: str
) -> None:
    with pytest.raises(UserError) as raised:
        check_split(params, n_users, n_items, models)
    assert expected in str(raised.value)


def test_only_entries_of_the_given_models_are_named(params: Params) -> None:
    check_split(params, 10, 10, ["dae-10", "vae-600-200-600"])
    with pytest.raises(UserError) as raised:
        check_split(params, 10, 10, ["rq-vae-200"])
    assert len(str(raised.value).splitlines()) == 2
    with pytest.raises(UserError) as raised:
        check_split(params, 255, 10, ["dae-200-200-200"])
    lines = str(raised.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["  quantizers.pq-40x5", "  quantizers.pq-20x10"]


def test_a_split_as_large_as_a_codebook_will_do(params: Params) -> None:
    check_split(params, 256, 256, params.models)


VECTORS = "{ kind: vectors, users: /data/users.parquet, items: /data/items.parquet, width: 200 }"


@pytest.fixture
def with_vectors(committed: str) -> Callable[..., str]:
    """The committed file with a model `two-tower` of vectors, and its quantizers; one more text replaced."""

    def with_vectors(old: str = "", new: str = "", quantizers: str = "[pq-20x10, rq]") -> str:
        text = committed.replace("      dae-10: {", "      two-tower: {}\n      dae-10: {")
        text = text.replace("\n  dae-10:\n", f"\n  two-tower: {VECTORS}\n  dae-10:\n")
        text = text.replace("  dae-200: all\n", f"  dae-200: all\n  two-tower: {quantizers}\n")
        assert old in text
        return text.replace(old, new, 1)

    return with_vectors


def test_vectors_from_elsewhere_are_a_float_row_and_its_codes(
    with_vectors: Callable[..., str], read: Callable[[str], Params]
) -> None:
    params = read(with_vectors())
    rows = [row for row in params.rows() if row.model == "two-tower"]
    names = [row.name for row in rows]
    assert names == ["two-tower", "two-tower-pq-20x10", *(f"two-tower-rq-{size}b" for size in (20, 10, 5))]
    assert [params.stored_by(row) for row in rows[:2]] == ["200 × float32", "20 codes of 8 bits"]
    assert {params.family_of(row) for row in rows} == {"float", "product", "additive"}
    assert params.seeds_of("two-tower") == [0]
    assert not params.is_trained("two-tower")
    with pytest.raises(UserError, match=r"'two-tower' under models in params\.yaml is of vectors from elsewhere"):
        params.recipe("ml-20m", "two-tower")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("two-tower: {}", "two-tower: {l2: 0.5}", "datasets.ml-latest-small.models.two-tower: vectors from elsewhere"),
        (", width: 200 }", ", width: 30 }", "quantizers.pq-20x10: 20 chunks do not divide the width 30 of 'two-tower'"),
        (", width: 200 }", " }", "models.two-tower.width: is missing"),
        ("/data/users.parquet", "/data/users.npy", "models.two-tower.users: must be the path of a Parquet file"),
        (
            "  dae-200: [pq-20x10, sc",
            "  two-tower: [rq]\n  dae-200: [pq-20x10, sc",
            "quantized_items: 'two-tower' is of",
        ),
        ("  rq-vae-200: [10, 5]", "  two-tower: [10, 5]", "budgets: 'two-tower' is not a model with a residual"),
        ("rows: [", "rows: [two-tower-rq-5b, ", "serving.rows: 'two-tower-rq-5b' is of vectors from elsewhere"),
        ("    model: rq-vae-200 #", "    model: two-tower #", "studies.ablation.model: 'two-tower' is of vectors from"),
    ],
)
def test_what_needs_a_training_is_refused_of_vectors_from_elsewhere(
    with_vectors: Callable[..., str], complaint: Callable[[str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint(with_vectors(old, new))


@pytest.mark.parametrize("quantizers", ["all", "[history]"])
def test_histories_are_refused_of_vectors_from_elsewhere(
    with_vectors: Callable[..., str], complaint: Callable[[str], str], quantizers: str
) -> None:
    assert "quantized_models.two-tower: 'history' keeps histories" in complaint(with_vectors(quantizers=quantizers))
