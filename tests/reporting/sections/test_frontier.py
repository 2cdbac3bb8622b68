"""The table of every row that stores something."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.sections import frontier
from tests.reporting.made_up import EXPERIMENT, FLOAT, METRICS, cells, results, row, tables_of


def test_rows_are_marked_and_go_from_the_most_bytes_to_the_fewest(tmp_path: Path) -> None:
    rows = [
        row("small", [0.1, 0.1, 0.2, 0.2], 5),
        row("float", [0.5, 0.6, 0.7, 0.8], 800),
        row("as good", [0.4, 0.7, 0.7, 0.6], 40),
        row("good", [0.5, 0.6, 0.7, 0.7], 40),
        row("nothing", [0.5, 0.6, 0.7, 0.7], 0),
    ]
    table = cells(frontier.words(tables_of(results(*rows), tmp_path), EXPERIMENT))
    assert table[1] == [
        "`float`", "●", "800", "205 kB", "0.6500", "–", "–", "–", "0.5000", "0.6000", "0.2000", "0.3000", "0.0 %",
    ]  # fmt: skip
    assert [line[:2] for line in table[2:]] == [["`good`", "●"], ["`as good`", "○"], ["`small`", "●"]]


def test_a_new_metric_is_a_column(tmp_path: Path) -> None:
    new = replace(FLOAT, metrics={**METRICS, "luck@7": "Luck@7"}, per_user=FLOAT.per_user.assign(**{"luck@7": 0.77}))
    tables = tables_of(results(new), tmp_path)
    head, line = cells(frontier.words(tables, EXPERIMENT))
    assert line[head.index("Luck@7")] == "0.7700"
    assert tables["plots/frontier"]["luck@7"].tolist() == [0.77]


def test_what_is_kept_of_the_float_model_stands_beside_what_is_kept_above_popularity(tmp_path: Path) -> None:
    popularity = replace(row("popularity", [0.2, 0.2, 0.2], 0), family="reference")
    rows = [popularity, FLOAT, row("codes", [0.3, 0.5, 0.1], 40, FLOAT.name)]
    head, *lines = cells(frontier.words(tables_of(results(*rows), tmp_path), EXPERIMENT))
    shown = dict(zip(head, lines[1], strict=True))
    assert (shown["row"], shown["kept of float"], shown["above popularity"]) == ("`codes`", "75.0 %", "50.0 %")
    assert shown["difference to float (95 % CI)"].startswith("-0.1000 (")


def test_a_row_that_repeats_one_of_fewer_bytes_is_named_with_it_and_why(tmp_path: Path) -> None:
    whole, prefix = (replace(row(f"rq-{size}b", [0.3, 0.5], size), base="rq") for size in (20, 5))
    text = frontier.words(tables_of(results(whole, prefix), tmp_path), EXPERIMENT)
    assert [line[0] for line in cells(text)[1:]] == ["`rq-20b` (= `rq-5b`)", "`rq-5b`"]
    assert "its further bytes buy nothing" in text
    assert "buy nothing" not in frontier.words(tables_of(results(whole), tmp_path), EXPERIMENT)
