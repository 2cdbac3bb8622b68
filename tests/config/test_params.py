"""The committed params.yaml, its look-ups, and what they say of a row."""

from collections.abc import Callable

import pytest

from stages.config.model import TRAINED
from stages.config.params import Params, Recipe
from stages.config.rows import ItemRow, Row
from stages.run.errors import UserError

Read = Callable[[str], Params]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("\nseeds: [0, 1, 2]", "\nseeds: []", "seeds: List should have at least 1 item"),
        ("\n  dae-200:", "\n  dae_200:", "models.dae_200"),
        ("device: auto", "device: tpu", "device: Input should be 'auto', 'cpu' or 'cuda' (found 'tpu')"),
        ("precision: float32", "precision: float16", "training.precision: Input should be 'float32' or 'bfloat16'"),
        ("digits: 5", "digits: '5'", "report.digits: Input should be a valid integer"),
        ("  dae-200: all\n", "  dae-200: some\n", "quantized_models.dae-200: must be all or a list of names under"),
        ("  dae-200: all\n", "  dae-200: [[pq-40x5]]\n", "quantized_models.dae-200.0: Input should be a valid string"),
        ("[pq-20x10, scalar]", "", "quantized_items.dae-200: is empty; write [] for none"),
        (
            "  scorer: auto",
            "  scorer: fast",
            "serving.scorer: Input should be 'auto', 'dense', 'tables' or 'approximate'",
        ),
        ("  memory: 4.0", "  memory: 0.0", "serving.memory: Input should be greater than 0"),
    ],
)
def test_a_wrong_entry_is_said_by_its_path(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint_after(old, new)


def both(*rows: str) -> list[str]:
    """The rows by the nearest codes, each with the one by a mixture after it."""
    return [name for row in rows for name in (row, f"{row}-mixture")]


def test_the_committed_file_has_every_row_of_table_1_its_references_and_ours(params: Params) -> None:
    assert [row.name for row in params.rows()] == [
        "popularity",
        "ease",
        "vae-600-200-600",
        "dae-200",
        "dae-200-200-200",
        "pq-vae-200-200-40x5",
        "pq-vae-200-200-20x10",
        "opq-vae-200-40x5",
        *both("opq-vae-200-20x10"),
        *both("rq-vae-200-20b", "rq-vae-200-10b", "rq-vae-200-5b"),
        "dae-20-float16",
        "dae-10-float32",
        "dae-10-float16",
        *(
            f"dae-200-{quantizer}"
            for quantizer in (
                "pq-40x5", "pq-20x10", "opq-40x5", *both("opq-20x10", "rq-20b", "rq-10b", "rq-5b"), "rq-greedy-20b",
                "rq-greedy-5b", "lsq-5b", "kmeans-k256",
                "kmeans-k64", "kmeans-k16", "kmeans-k4", "tree", "scalar-float16", "scalar-bfloat16", "scalar-8bit",
                "scalar-6bit", "scalar-4bit", "scalar-1bit", "pca-40b", "pca-20b", "pca-10b", "history-40b",
                "history-20b",
            )
        ),
        "dae-200-200-200-pq-40x5",
        "dae-200-200-200-pq-20x10",
    ]  # fmt: skip


def test_there_are_three_seeds(params: Params) -> None:
    assert len(params.seeds) == 3


@pytest.mark.parametrize(
    ("look_up", "expected"),
    [
        (lambda params: params.dataset("ml-2m"), "no 'ml-2m' under datasets; it has ml-latest-small, ml-20m, ml-20m-r"),
        (lambda params: params.reference("e"), "params.yaml has no 'e' under references; it has popularity, ease"),
        (lambda params: params.model("e"), "params.yaml has no 'e' under models; it has vae-600-200-600, dae-200, "),
        (lambda params: params.rows_of("e"), "params.yaml has no 'e' under models; it has vae-600-200-600, dae-200, "),
        (lambda params: params.quantizer("e"), "params.yaml has no 'e' under quantizers; it has pq-40x5, pq-20x10, "),
        (lambda params: params.quantizers_of("e"), "no 'e' under quantized_models; it has dae-200, dae-200-200-200"),
        (lambda params: params.item_quantizers_of("e"), "params.yaml has no 'e' under quantized_items; it has dae-200"),
        (lambda params: params.refits_of("e"), "params.yaml has no 'e' under refits; it has dae-200"),
        (lambda params: params.budgets_of("e"), "params.yaml has no 'e' under budgets; it has rq-vae-200"),
        (
            lambda params: params.study_variants("e", "ml-20m"),
            "no 'e' under studies; it has ablation, rotation, side-experiments",
        ),
        (
            lambda params: params.check_names({"row": "dae-200"}),
            "no 'dae-200' under serving.rows; it has dae-200-opq-20x10, dae-200-rq-5b, rq-vae-200-20b",
        ),
    ],
)
def test_an_unknown_name_says_the_known_ones(
    params: Params, look_up: Callable[[Params], object], expected: str
) -> None:
    with pytest.raises(UserError) as raised:
        look_up(params)
    assert expected in str(raised.value)


def test_rows_are_served_in_the_order_of_the_list(params: Params) -> None:
    assert params.serving_rows() == [
        Row("dae-200", "opq-20x10"), Row("dae-200", "rq", 5), Row("rq-vae-200", None, 20),
    ]  # fmt: skip


def test_a_reference_has_the_first_seed_and_a_model_all(params: Params) -> None:
    assert params.seeds_of("ease") == [0]
    assert params.seeds_of("dae-200") == [0, 1, 2]


def test_a_study_begins_with_its_model_as_it_is(params: Params) -> None:
    variants = params.study_variants("rotation", "ml-20m")
    assert list(variants) == ["opq-vae-200-20x10, as it is", "no rotation", "learns the items"]
    assert variants["opq-vae-200-20x10, as it is"] == params.recipe("ml-20m", "opq-vae-200-20x10")
    assert variants["no rotation"] != params.recipe("ml-20m", "opq-vae-200-20x10")


@pytest.mark.parametrize(
    ("row", "family", "stored", "float_twin", "post_hoc_twin"),
    [
        (Row("popularity"), "reference", "nothing", None, None),
        (Row("ease"), "reference", "items, int32", None, None),
        (Row("vae-600-200-600"), "float", "600 × float32", None, None),
        (Row("dae-10", None, "float16"), "float", "10 × float16", None, None),
        (
            Row("pq-vae-200-200-20x10"),
            "trained",
            "20 codes of 8 bits",
            "dae-200-200-200",
            "dae-200-200-200-pq-20x10",
        ),
        (Row("opq-vae-200-40x5"), "trained", "40 codes of 8 bits", "dae-200", "dae-200-opq-40x5"),
        (Row("rq-vae-200", None, 5), "trained", "5 codes of 8 bits", "dae-200", "dae-200-rq-5b"),
        (
            Row("rq-vae-200", None, 5, "mixture"),
            "trained",
            "5 codes of 8 bits, chosen by scores and items",
            "dae-200",
            "dae-200-rq-5b-mixture",
        ),
        (
            Row("dae-200", "opq-20x10", None, "mixture"),
            "product",
            "20 codes of 8 bits, chosen by scores and items",
            "dae-200",
            None,
        ),
        (
            Row("opq-vae-200-20x10", encoder="mixture"),
            "trained",
            "20 codes of 8 bits, chosen by scores and items",
            "dae-200",
            "dae-200-opq-20x10-mixture",
        ),
        (
            Row("dae-200", "rq", 5, "mixture"),
            "additive",
            "5 codes of 8 bits, chosen by scores and items",
            "dae-200",
            None,
        ),
        (Row("dae-200", "kmeans", "k64"), "whole", "1 of 64 centroids", "dae-200", None),
        (Row("dae-200", "scalar", "4bit"), "scalar", "200 × 4bit", "dae-200", None),
    ],
)
def test_a_row_has_its_family_its_words_and_its_twins(
    params: Params, row: Row, family: str, stored: str, float_twin: str | None, post_hoc_twin: str | None
) -> None:
    assert row in params.rows()
    assert params.family_of(row) == family
    assert params.stored_by(row) == stored
    twins = params.float_twin_of(row), params.post_hoc_twin_of(row)
    assert [twin and twin.name for twin in twins] == [float_twin, post_hoc_twin]


@pytest.mark.parametrize(
    ("row", "plain"),
    [
        (Row("dae-200", "rq", 20), "dae-200-pq-20x10"),
        (Row("dae-200", "rq", 10), None),  # no PQ of 10 bytes
        (Row("dae-200", "rq", 20, "mixture"), None),  # no PQ whose codes are chosen so
        (Row("dae-200", "lsq", 5), None),
        (Row("dae-200", "opq-20x10"), None),
        (Row("rq-vae-200", None, 20), None),
    ],
)
def test_residual_codes_fitted_after_training_are_held_against_plain_pq_of_as_many_bytes(
    params: Params, row: Row, plain: str | None
) -> None:
    twin = params.plain_twin_of(row)
    assert (twin and twin.name) == plain


def test_a_row_without_an_equal_encoder_after_training_has_no_post_hoc_twin(
    committed: str, read: Callable[[str], Params]
) -> None:
    place = committed.index("\n  rq: ")
    after = committed[place:].replace("encoder: [nearest, mixture]", "encoder: [nearest, scores]", 1)
    params = read(committed[:place] + after)
    assert params.post_hoc_twin_of(Row("rq-vae-200", None, 5, "mixture")) is None
    assert params.post_hoc_twin_of(Row("rq-vae-200", None, 5)) == Row("dae-200", "rq", 5)


def test_rows_come_in_the_order_of_the_encoders(committed: str, read: Callable[[str], Params]) -> None:
    params = read(committed.replace("encoder: [nearest, mixture]", "encoder: [nearest, likelihood, scores]"))
    for rows in (params.rows_of("rq-vae-200"), params.quantized_rows_of("dae-200")):
        of_five = [row.encoder for row in rows if row.variant == 5 and row.quantizer in (None, "rq")]
        assert of_five == ["nearest", "likelihood", "scores"]


def test_an_encoder_has_the_settings_of_its_entry(committed: str, read: Callable[[str], Params]) -> None:
    place = committed.index("\n  rq: ")
    params = read(committed[:place] + committed[place:].replace("candidates: 8", "candidates: 32", 1))
    assert params.encoder_of(Row("dae-200", "rq", 5, "mixture")).candidates == 32
    assert params.encoder_of(Row("rq-vae-200", None, 5, "mixture")).candidates == 8
    assert params.encoder_of(Row("dae-200")).encoder == ["nearest"]


def test_the_twin_of_every_quantized_row_is_a_float_row(committed: str, read: Callable[[str], Params]) -> None:
    text = committed.replace("  dae-200: all\n", "  dae-200: all\n  dae-20: [scalar]\n")
    params = read(text.replace("quantized_items: #", "quantized_items:\n  dae-20: [scalar] #"))
    assert params.float_twin_of(Row("dae-20", "scalar", "8bit")) == Row("dae-20", None, "float16")
    for row in [*params.rows(), *(row.users for row in params.item_rows())]:
        twin = params.float_twin_of(row)
        if params.family_of(row) in ("reference", "float"):
            assert twin is None
        else:
            assert twin in params.rows()
            assert params.family_of(twin) == "float"


def test_item_tables_are_stored_by_one_both_or_with_the_users(committed: str, read: Callable[[str], Params]) -> None:
    text = committed.replace("hidden: [200, 200, 200]", "hidden: [400, 200]")
    text = text.replace("  dae-200-200-200: [pq-40x5, pq-20x10] #", "  dae-200-200-200: [scalar] #")
    params = read(text.replace("quantized_items: #", "quantized_items:\n  dae-200-200-200: [scalar] #"))
    even = [params.stored_by_items(row) for row in params.item_rows() if row.users == Row("dae-200", "pq-20x10")]
    assert even == [
        "output table: 20 codes of 8 bits; input table: float32",
        "input table: 20 codes of 8 bits; output table: float32",
        "both tables: 20 codes of 8 bits",
        "both tables and users: 20 codes of 8 bits",
    ]
    assert params.stored_by_items(ItemRow("dae-200-200-200", "scalar", "8bit", "input")) == (
        "input table: 400 × 8bit; output table: float32"
    )
    assert params.stored_by_items(ItemRow("dae-200-200-200", "scalar", "8bit", "both")) == (
        "both tables: 200 × 8bit (output) and 400 × 8bit (input)"
    )


def test_a_data_set_changes_how_a_model_is_trained_there_and_nothing_else(committed: str, read: Read) -> None:
    changed = "{ learning_rate: 0.5, l2: 0.25, epochs: 7, start: 0.125, warm_start: last-week }"
    line = "    models: # {}: as under models below\n"
    rq = "      rq-vae-200: {}\n"
    start = committed.index(rq, committed.index(line))
    params = read(committed[:start] + rq.replace("{}", changed) + committed[start + len(rq) :])
    here, elsewhere = params.recipe("ml-20m", "rq-vae-200"), params.recipe("ml-1m", "rq-vae-200")
    assert elsewhere == Recipe(params.trained("rq-vae-200"), 50, "rq-vae-200")
    assert (here.epochs, here.warm_start) == (7, "last-week")
    assert (
        here.settings.model_dump()
        == TRAINED.validate_python(
            elsewhere.settings.model_dump(exclude_none=True)
            | {"learning_rate": 0.5, "l2": 0.25}
            | {"bottleneck": {**elsewhere.settings.model_dump()["bottleneck"], "start": 0.125}}
        ).model_dump()
    )


@pytest.mark.parametrize("dataset", ["ml-20m", "ml-1m"])
def test_a_sweep_searches_the_data_sets_own_ranges_if_it_has_any(params: Params, dataset: str) -> None:
    assert params.search(dataset).ranges() == {"learning_rate": [1e-5, 1e-3], "l2": [1e-2, 1e-1]}
    assert list(params.search("ml-latest-small").ranges()) == ["learning_rate", "l2", "epochs"]
