"""Files that change places, each as whole as the other, stop the stage that reads them before it writes anything."""

from pathlib import Path

import pytest

from tests.pipeline.clone import Clone

DAE, RQ = ("--model", "dae-8"), ("--model", "rq-vae")
CODEC = "data/tiny/codecs/dae-8/dae-8-kmeans-k4"
PQ = "data/tiny/codecs/dae-8/dae-8-pq-4x2"
ROWS = "data/tiny/evaluation/quantized/dae-8"
READERS = [
    ("data/tiny/split/validation_fold_in.npz", "data/tiny/split/test_fold_in.npz", "preprocess", ["train", *DAE]),
    ("data/tiny/split/test_fold_in.npz", "data/tiny/split/test_held_out.npz", "preprocess", ["fit"]),
    ("data/tiny/models/dae-8/0.pt", "data/tiny/models/dae-8/1.pt", "train", ["evaluate"]),
    ("data/tiny/models/dae-8/0.pt", "data/tiny/models/dae-8/1.pt", "train", ["quantize", *DAE]),
    ("data/tiny/models/rq-vae/0.pt", "data/tiny/models/rq-vae/1.pt", "train", ["budget", *RQ]),
    (f"{CODEC}/0.npz", f"{CODEC}/1.npz", "quantize", ["refit", *DAE]),
    (f"{CODEC}/0.npz", "data/tiny/codecs/dae-8/dae-8-kmeans-k2/0.npz", "quantize", ["evaluate_quantized", *DAE]),
    ("data/tiny/codecs/dae-8/dae-8-tree/0.npz", f"{CODEC}/0.npz", "quantize", ["quantize_items", *DAE]),
    ("data/tiny/curves/dae-8/curve.csv", "data/tiny/curves/dae-2/curve.csv", "train", ["report"]),
    (f"{ROWS}/dae-8-rq-3b/stored.json", f"{ROWS}/dae-8-rq-1b/stored.json", "evaluate-quantized", ["report"]),
    (f"{ROWS}/dae-8-rq-3b/per_user.parquet", f"{ROWS}/dae-8-tree/per_user.parquet", "evaluate-quantized", ["report"]),
    ("data/tiny/models/rq-vae/0.pt", "data/tiny/models/rq-vae/1.pt", "train", ["export"]),
    (f"{PQ}/0.npz", f"{PQ}/1.npz", "quantize", ["export"]),
    (f"{ROWS}/dae-8-pq-4x2/per_user.parquet", f"{ROWS}/dae-8-tree/per_user.parquet", "evaluate-quantized", ["export"]),
    ("reports/tiny/plots/by_activity.csv", "reports/tiny/plots/by_popularity.csv", "report@tiny", ["commands.draw"]),
]
"""Two files, the stage that writes them, and one that reads the first."""


def change_places(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def contents(clone: Clone) -> dict[Path, bytes]:
    files = (path for name in ("data/tiny", "reports/tiny") for path in (clone.folder / name).rglob("*"))
    return {path: path.read_bytes() for path in files if path.is_file()}


@pytest.mark.parametrize(("one", "other", "writer", "reader"), READERS)
def test_files_that_changed_places_are_not_read(
    clone: Clone, one: str, other: str, writer: str, reader: list[str]
) -> None:
    before = contents(clone)
    change_places(clone.folder / one, clone.folder / other)
    complaint = clone.complaint(f"stages.{reader[0]}", "--dataset", "tiny", *reader[1:])
    change_places(clone.folder / one, clone.folder / other)
    assert f"{one} is not as the stage {writer} wrote it; remove it and run the stage {writer} again" in complaint
    assert contents(clone) == before
