"""In how many directions embeddings vary."""

from dataclasses import replace
from pathlib import Path

from stages.reporting.figures import LIGHT
from stages.reporting.sections import spectrum
from tests.reporting.made_up import EXPERIMENT, FLOAT, POST_HOC, QUANTIZED, results, row, tables_of


def test_directions_that_hold_half_and_most_of_the_variance(tmp_path: Path) -> None:
    flat = replace(row("vae", [0.1, 0.2, 0.3]), spectrum=[0.25] * 4)
    said = spectrum.words(tables_of(results(FLOAT, flat), tmp_path), EXPERIMENT)
    assert [line.split() for line in said.splitlines() if "`" in line] == [
        ["|", f"`{FLOAT.name}`", "|", "3", "|", "1", "|", "2", "|", "–", "|"],
        ["|", "`vae`", "|", "4", "|", "2", "|", "4", "|", "–", "|"],
    ]


def test_what_is_lost_is_that_of_the_best_code_of_few_bytes_after_training(tmp_path: Path) -> None:
    losses = {40.0: 0.01, 20.0: 0.1, 10.0: 0.3}
    codes = [
        replace(POST_HOC, name=f"pq-{size}", bytes_per_user=size, variance_lost=lost) for size, lost in losses.items()
    ]
    in_training = replace(QUANTIZED, bytes_per_user=20.0, variance_lost=0.05)
    tables = tables_of(results(FLOAT, in_training, *codes), tmp_path)
    (line,) = [line for line in spectrum.words(tables, EXPERIMENT).splitlines() if "`" in line]
    assert line.split("|")[-2].strip() == "10.0 %"


def test_without_embeddings_there_is_no_section_and_no_picture(tmp_path: Path) -> None:
    tables = tables_of(results(replace(FLOAT, spectrum=[])), tmp_path)
    assert spectrum.words(tables, EXPERIMENT) == ""
    assert spectrum.draw(tables, LIGHT) is None
