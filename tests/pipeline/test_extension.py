"""A codec and a metric that nobody has thought of yet: a file and an entry each, and the report has them."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.pipeline.clone import Clone

SETTINGS = '''

class LargestSettings(QuantizerSettings):
    """The dimensions of the largest numbers, a byte each."""

    kind: Literal["largest"]
    bytes: Sizes
    family: ClassVar[str] = "scalar"

    @property
    def variants(self) -> list[Variant]:
        """Numbers of bytes."""
        return list(self.bytes)

    def stored(self, variant: Variant, width: int) -> str:
        """In words."""
        return f"the {variant} largest of {width}"
'''
CODEC = '''
"""The numbers of the largest dimensions of a vector."""

import numpy as np

from stages.codebooks.fitted import FittedCodec


class LargestCodec(FittedCodec):
    """Decodes to the mean of these dimensions in the train users' vectors."""

    shared_bytes = 0

    def __init__(self, n_bytes, value):
        self.n_bytes, self.value = int(n_bytes), value

    @property
    def bytes_per_vector(self):
        return self.n_bytes

    def encode(self, embeddings):
        return np.argsort(-np.asarray(embeddings), axis=1)[:, : self.n_bytes].astype(np.uint8)

    def decode(self, codes):
        vectors = np.zeros((len(codes), len(self.value)), dtype=np.float32)
        np.put_along_axis(vectors, codes.astype(np.int64), self.value[codes], axis=1)
        return vectors

    def _arguments(self):
        return {"n_bytes": self.n_bytes, "value": self.value}


def fit(settings, vectors, n_items):
    value = np.abs(vectors).mean(0).astype(np.float32)
    return {n_bytes: LargestCodec(n_bytes, value) for n_bytes in settings.bytes}
'''
METRIC = '''
"""The reciprocal rank of the first hit."""

import torch

from stages.evaluation.metrics.metric import Metric


def reciprocal_rank(hits, n_held_out):
    ranks = torch.arange(1, hits.shape[1] + 1, dtype=torch.float64)
    return (hits / ranks).amax(1)


METRICS = [Metric("mrr@100", "MRR@100", reciprocal_rank)]
'''


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = Clone(tmp_path_factory.mktemp("extended"))
    stages = clone.folder / "stages"
    (stages / "codecs/largest.py").write_text(CODEC)
    (stages / "evaluation/metrics/reciprocal_rank.py").write_text(METRIC)
    with (stages / "config/quantizer.py").open("a") as file:
        file.write(SETTINGS)
    table = stages / "evaluation/metrics/__init__.py"
    lists = {"import f1,": "import f1, reciprocal_rank,", "*f1.METRICS": "*f1.METRICS, *reciprocal_rank.METRICS"}
    text = table.read_text()
    for old, new in lists.items():
        text = text.replace(old, new)
    table.write_text(text)
    clone.params |= {
        "models": {"dae-8": clone.params["models"]["dae-8"]},
        "quantizers": {"largest": {"kind": "largest", "bytes": [3, 1]}},
        "serving": {**clone.params["serving"], "rows": []},
        "seeds": [0],
        **{block: {} for block in ("float_twins", "quantized_items", "refits", "budgets", "studies")},
    }
    clone.write_params()
    clone.run_all()
    return clone.folder / "reports/tiny"


def test_metrics_and_frontier_have_them(report: Path) -> None:
    rows = json.loads((report / "metrics.json").read_text())["rows"]
    assert rows["dae-8-largest-3b"]["bytes_per_user"] == 3
    assert 0 < rows["dae-8-largest-1b"]["mrr@100"] <= 1
    with (report / "plots/frontier.csv").open() as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    assert lines["dae-8-largest-3b"]["stored"] == "the 3 largest of 8"
    assert float(lines["dae-8-largest-3b"]["mrr@100"]) == pytest.approx(rows["dae-8-largest-3b"]["mrr@100"], abs=1e-5)


def test_the_report_and_its_page_show_them(report: Path) -> None:
    text = (report / "report.md").read_text()
    assert re.search(r"\| `dae-8-largest-1b` ", text)
    assert "MRR@100" in text
    page = (report / "frontier.html").read_text()
    assert "dae-8-largest-3b" in page
    assert "MRR@100" in page
