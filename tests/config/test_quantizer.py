"""Entries under quantizers: a wrong one is said by its path, a right one has its words, a new kind is known."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.config.params import Params
from stages.config.quantizer import quantizer_kinds

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("\n    chunks: 40\n", "\n    chunks: 0\n", "quantizers.pq-40x5.chunks: Input should be greater"),
        ("codes: [256, 64, 16, 4] #", "codes: [4, 64] #", "quantizers.kmeans.codes: must fall from one to the next"),
        ("codes: [256, 64, 16, 4] #", "codes: [4, 1] #", "quantizers.kmeans.codes: 1 centroid is the same for every"),
        ("types: [float16, bfloat16, 8bit", "types: [7bit", "quantizers.scalar.types.0: Input should be 'float16'"),
        ("    branches: 16 #", "    branches: 1 #", "quantizers.tree.branches: Input should be greater than or eq"),
        ("history\n    bytes: [40, 20]", "history\n    bytes: [40, 2]", "quantizers.history.bytes: the number of one"),
        (
            "    kind: tree\n",
            "    kind: trie\n",
            "quantizers.tree.kind: 'trie' is none of 'kmeans', 'tree', 'product', 'residual', 'additive', 'scalar', "
            "'principal', 'history'",
        ),
    ],
)
def test_a_wrong_entry_is_said_by_its_path(
    complaint_after: Callable[[str, str], str], old: str, new: str, expected: str
) -> None:
    assert expected in complaint_after(old, new)


@pytest.mark.parametrize(
    ("name", "family", "variants", "words", "least_vectors"),
    [
        ("kmeans", "whole", ["k256", "k64", "k16", "k4"], "1 of 256 centroids", 256),
        ("tree", "whole", [None], "1 of 256 leaves", 256),
        ("pq-20x10", "product", [None], "20 codes of 8 bits", 256),
        ("rq", "additive", [20, 10, 5], "20 codes of 8 bits", 256),
        ("lsq", "additive", [5], "5 codes of 8 bits", 256),
        ("scalar", "scalar", ["float16", "bfloat16", "8bit", "6bit", "4bit", "1bit"], "200 × float16", 1),
        ("pca", "scalar", [40, 20, 10], "40 × 8bit", 40),
        ("history", "history", [40, 20], "some items", 1),
    ],
)
def test_an_entry_answers_for_itself(
    params: Params, name: str, family: str, variants: list[object], words: str, least_vectors: int
) -> None:
    entry = params.quantizer(name)
    assert entry.family == family
    assert entry.variants == variants
    assert entry.stored(entry.variants[0], 200) == words
    assert entry.least_vectors == least_vectors
    assert entry.has_vectors is (name != "history")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("encoder: [nearest, mixture]", "encoder: [nearest, nearest]", "encoder: names an encoder twice"),
        (
            "encoder: [nearest, mixture]",
            "encoder: [mixture]",
            "encoder: must begin with nearest, with which the others",
        ),
        ("encoder: [nearest, mixture]", "encoder: []", "encoder: List should have at least 1 item"),
        ("encoder: [nearest, mixture]", "encoder: mixture", "encoder: Input should be a valid list (found 'mixture')"),
        (
            "encoder: [nearest, mixture]",
            "encoder: [nearest, guided]",
            "encoder.1: Input should be 'nearest', 'likelihood', 'scores' or 'mixture' (found 'guided')",
        ),
        ("candidates: 8", "candidates: 0", "candidates: Input should be greater than or equal to 1 (found 0)"),
        ("candidates: 8", "candidates: 8.5", "candidates: Input should be a valid integer"),
        ("share: 0.2", "share: 1.5", "share: Input should be less than or equal to 1 (found 1.5)"),
        ("share: 0.2", "share: -0.1", "share: Input should be greater than or equal to 0 (found -0.1)"),
        ("pull: 0.0", "pull: -1", "pull: Input should be greater than or equal to 0 (found -1)"),
        ("pull: 0.0", "pull: .inf", "pull: Input should be a finite number (found inf)"),
    ],
)
@pytest.mark.parametrize(("block", "of"), [("quantizers", "quantizers.rq"), ("models", "models.rq-vae-200.bottleneck")])
def test_a_wrong_encoder_is_said_by_its_path(
    committed: str, complaint: Callable[[str], str], block: str, of: str, old: str, new: str, expected: str
) -> None:
    place = committed.index("kind: residual", committed.index(f"\n{block}:"))
    assert f"{of}.{expected}" in complaint(committed[:place] + committed[place:].replace(old, new, 1))


@pytest.mark.parametrize("name", ["kmeans", "tree", "scalar", "pca", "history"])
def test_codes_without_codebooks_have_no_encoder(complaint_after: Callable[[str, str], str], name: str) -> None:
    kind = "principal" if name == "pca" else name
    found = complaint_after(f"    kind: {kind}\n", f"    kind: {kind}\n    encoder: [nearest]\n")
    assert f"quantizers.{name}.encoder: does not belong here" in found


def test_an_entry_without_encoder_has_the_nearest_codes(params: Params) -> None:
    assert params.quantizer("rq").encoders == ["nearest", "mixture"]
    assert params.quantizer("rq-greedy").encoders == ["nearest"]
    assert params.quantizer("kmeans").encoders == ["nearest"]


def test_chunks_divide_the_width_and_directions_fit_into_it(params: Params) -> None:
    with pytest.raises(ValueError, match="20 chunks do not divide the width 30"):
        params.quantizer("pq-20x10").check_width(30)
    with pytest.raises(ValueError, match="there are no 40 directions in the width 30"):
        params.quantizer("pca").check_width(30)
    for name in ("pq-20x10", "pca", "rq", "kmeans", "scalar"):
        params.quantizer(name).check_width(40)


def test_the_kinds_are_those_that_one_name_is_for(params: Params) -> None:
    assert {type(entry) for entry in params.quantizers.values()} == set(quantizer_kinds())


def test_a_new_kind_is_a_class_and_nothing_more(tmp_path: Path, committed: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        committed.replace("\nquantizers: #", "\nquantizers:\n  mine: { kind: mine, level: 3 }\n#").replace(
            "dae-200-200-200: [", "dae-200-200-200: [mine, "
        )
    )
    new_kind = f"""
from pathlib import Path
from typing import ClassVar, Literal
from stages.config.quantizer import QuantizerSettings
from stages.config.strict import Family, Variant

class MineSettings(QuantizerSettings):
    kind: Literal["mine"]
    level: int
    family: ClassVar[Family] = "scalar"

    def stored(self, variant: Variant, width: int) -> str:
        return f"{{width}} × {{self.level}}"

from stages.config.reader import read_params
params = read_params(Path({str(path)!r}))
print(params.stored_by(params.quantized_rows_of("dae-200-200-200")[0]))
"""
    done = subprocess.run([sys.executable, "-c", new_kind], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "200 × 3\n", done.stderr
