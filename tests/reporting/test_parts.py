"""What fit, search and training buy."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stages.config.strict import Encoder
from stages.reporting.parts import parts_table, sentences
from stages.reporting.results import RowResult
from tests.reporting.made_up import results, row

BASE = [0.2, 0.4, 0.3]


def codes(
    name: str,
    above: Sequence[float],
    size: float = 20.0,
    encoder: Encoder = "nearest",
    nearest: str | None = None,
    plain: str | None = None,
) -> RowResult:
    """Fitted after training; NDCG@100 of three users by what it has above the base."""
    made = row(name, [base + more for base, more in zip(BASE, above, strict=True)], size, "float")
    return replace(made, family="additive", encoder=encoder, nearest_twin=nearest, plain_twin=plain)


def learnt(codes: RowResult, post_hoc: str) -> RowResult:
    """The same, learnt in training."""
    return replace(codes, family="trained", post_hoc_twin=post_hoc)


PLAIN = codes("pq", [0.0, 0.0, 0.0])
NEAREST = codes("rq", [0.01, 0.02, 0.03], plain="pq")
GUIDED = codes("rq-mixture", [0.03, 0.04, 0.05], encoder="mixture", nearest="rq")
LEARNT = learnt(codes("rq-vae", [0.0, 0.03, 0.03]), "rq")
LEARNT_GUIDED = learnt(codes("rq-vae-mixture", [0.06, 0.05, 0.07], encoder="mixture", nearest="rq-vae"), "rq-mixture")
ALL = [PLAIN, NEAREST, GUIDED, LEARNT, LEARNT_GUIDED]


def differences(*rows: RowResult) -> dict[tuple[str, str], float]:
    table = parts_table(results(*rows))
    return dict(zip(zip(table["part"], table["encoder"], strict=True), table["difference"].round(6), strict=True))


def test_each_part_is_of_rows_that_differ_in_it_alone() -> None:
    assert differences(*ALL) == {
        ("fit", "nearest"): 0.02, ("search", "mixture"): 0.02,
        ("training", "nearest"): 0.0, ("training", "mixture"): 0.02,
    }  # fmt: skip


def test_a_part_without_pairs_is_left_out() -> None:
    assert differences(PLAIN, NEAREST) == {("fit", "nearest"): 0.02}
    assert differences(NEAREST, LEARNT) == {("training", "nearest"): 0.0}
    assert differences(PLAIN) == {}
    assert sentences(parts_table(results(PLAIN))) == []


def test_the_nearest_codes_learnt_in_training_are_those_of_the_codebooks_that_are_searched_too() -> None:
    other = learnt(codes("opq-vae", [0.5, 0.5, 0.5]), "opq")
    opq = codes("opq", [0.0, 0.0, 0.0])
    assert differences(*ALL, opq, other)["training", "nearest"] == 0.0


def test_of_several_residual_codes_of_as_many_bytes_the_first_is_held_against_plain_pq() -> None:
    greedy = codes("rq-greedy", [0.0, 0.0, 0.0], plain="pq")
    assert differences(PLAIN, NEAREST, greedy)["fit", "nearest"] == 0.02
    assert differences(PLAIN, greedy, NEAREST)["fit", "nearest"] == 0.0


def test_three_sentences_say_what_each_part_buys() -> None:
    fit, search, training = sentences(parts_table(results(*ALL)))
    assert "change NDCG@100 by +0.0200 (95 % CI +0.0" in fit
    assert fit.endswith(", at 20 bytes).")
    assert search == (
        "**Search.** Codes chosen by scores and items in place of the nearest ones, of the same codebooks fitted after "
        "training, change NDCG@100 by +0.0200 (95 % CI +0.0200 to +0.0200, at 20 bytes)."
    )
    assert "change NDCG@100 by +0.0200 (95 % CI +0.0" in training
    assert ", at 20 bytes) where both are chosen by scores and items, and by +0.0000 (" in training
    assert training.endswith(", at 20 bytes; not significant) where both are the nearest.")


def test_a_mean_says_of_how_many_pairs_it_is() -> None:
    shorter = codes("rq-5b", [0.0, 0.0, 0.0], 5.0)
    guided = codes("rq-5b-mixture", [0.0, 0.0, 0.0], 5.0, "mixture", nearest="rq-5b")
    (_, search) = sentences(parts_table(results(PLAIN, NEAREST, GUIDED, shorter, guided)))
    assert "by +0.0100" in search
    assert search.endswith(", mean of 2 pairs).")


def test_one_user_says_nothing() -> None:
    first = [replace(of, ndcg=of.ndcg[:, :1]) for of in ALL]
    assert sentences(parts_table(results(*first))) == []


@pytest.mark.parametrize("encoder", ["likelihood", "scores"])
def test_every_encoder_has_a_sentence_of_its_search(encoder: Encoder) -> None:
    other = codes("rq-other", [0.0, 0.0, 0.0], encoder=encoder, nearest="rq")
    assert len(sentences(parts_table(results(PLAIN, NEAREST, GUIDED, other)))) == 3
