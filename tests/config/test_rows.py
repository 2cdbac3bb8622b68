"""A row is named after its model, quantizer and variant."""

from stages.config.rows import ItemRow, Row


def test_a_row_is_named_after_its_model_and_quantizer() -> None:
    assert Row("dae-200", None).name == "dae-200"
    assert Row("dae-200", "pq-40x5").name == "dae-200-pq-40x5"


def test_a_row_of_several_variants_is_named_after_its_variant() -> None:
    assert Row("rq-vae-200", None, 20).name == "rq-vae-200-20b"
    assert Row("dae-10", None, "float16").name == "dae-10-float16"
    assert Row("dae-200", "rq", 5).name == "dae-200-rq-5b"
    assert Row("dae-200", "rq", 5).base == "dae-200-rq"


def test_a_row_of_guided_codes_is_named_after_its_encoder() -> None:
    row = Row("dae-200", "rq", 20, "mixture")
    assert row.name == "dae-200-rq-20b-mixture"
    assert row.base == "dae-200-rq"
    assert row.nearest.name == "dae-200-rq-20b"
    assert Row("opq-vae-200-20x10", encoder="scores").name == "opq-vae-200-20x10-scores"


def test_a_row_of_item_tables_is_named_after_that_of_its_users() -> None:
    row = ItemRow("dae-200", "rq", 5, "both")
    assert row.users == Row("dae-200", "rq", 5)
    assert row.name == "dae-200-rq-5b-both"
