"""A sentence per row that was quantized during training."""

from pathlib import Path

from stages.reporting.sections import in_short
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, results, tables_of


def test_a_sentence_says_what_a_row_keeps_and_gains(tmp_path: Path) -> None:
    assert in_short.words(tables_of(results(FLOAT, POST_HOC, QUANTIZED), tmp_path), EXPERIMENT) == (
        "- `pq-vae-200-200-40x5`: **40 bytes** per user instead of 800 keep **90.0 %** of NDCG@100, 95 % CI 90.0–90.0 "
        "(0.3600 of 0.4000); +0.0000 (95 % CI -0.0200 to +0.0400), which may be chance, against quantizing "
        "`dae-200-200-200` after training at equal bytes."
    )


def test_what_there_is_nothing_to_compare_with_is_left_out(tmp_path: Path) -> None:
    assert in_short.words(tables_of(results(QUANTIZED), tmp_path), EXPERIMENT) == ""
    (sentence,) = in_short.words(tables_of(results(FLOAT, QUANTIZED), tmp_path), EXPERIMENT).splitlines()
    assert sentence.endswith("(0.3600 of 0.4000).")
